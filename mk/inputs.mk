# Inputs: archives, checked; weights as a TF1 checkpoint; reviews as examples and as features.

## MIRROR: a folder or URL that has the archives by their file names: take them from there, under the same checksums
MIRROR ?=
## OFFLINE: 1 to use the archives, modules and environments that are there; what is missing is named, not fetched
OFFLINE ?=
## CHECKSUMS: instead of inputs/checksums.txt, for archives of one's own in WEIGHTS= or REVIEWS_FROM=
CHECKSUMS = inputs/checksums.txt
DOWNLOADS = $(BUILD)/downloads
export TFHUB_CACHE_DIR = $(DOWNLOADS)/tfhub
export TFHUB_DOWNLOAD_PROGRESS = 1

## SOURCE: of a profile's several sources, only those whose host has this in its name, such as huggingface
SOURCE =
# A profile's sources of one thing are lists: the first of WEIGHTS has the first of WEIGHTS_ARCHIVE, in the first of
# WEIGHTS_FORMAT, and so on; each archive has a name of its own. The first that is there is used; if none is, they are
# tried in turn.
WEIGHTS.archives = $(WEIGHTS_ARCHIVE)
REVIEWS_FROM.archives = $(REVIEWS_ARCHIVE)
# Each of these is called with WEIGHTS or REVIEWS_FROM, and says which places in the lists.
places = $(foreach i,$(wordlist 1,$(words $($(1))),1 2 3 4 5 6 7 8 9),$(if $(word $i,$($(1).archives)),$i))
host = $(word 2,$(subst /, ,$(1)))
asked-for = $(foreach i,$(places),$(if $(findstring $(SOURCE),$(call host,$(word $i,$($(1))))),$i))
sources = $(or $(if $(SOURCE),$(strip $(asked-for))),$(places))
here = $(strip $(foreach i,$(sources),$(if $(call there,$(call archive-at,$(1),$i)),$i)))
chosen = $(firstword $(if $(word 2,$(sources)),$(here)) $(sources))
archive-at = $(DOWNLOADS)/$(word $(2),$($(1).archives))
weights-file = $(call archive-at,WEIGHTS,$(call chosen,WEIGHTS))
weights-format = $(or $(word $(call chosen,WEIGHTS),$(WEIGHTS_FORMAT)),$(WEIGHTS_FORMAT))
reviews-file = $(call archive-at,REVIEWS_FROM,$(call chosen,REVIEWS_FROM))

weights-fetched weights-archive: of = WEIGHTS
reviews-fetched reviews-archive: of = REVIEWS_FROM
several = $(if $(word 2,$(call sources,$(of))),$(if $(call here,$(of)),,yes))
from = $(if $(MIRROR),$(call $(2),$(MIRROR))/$(word $(1),$($(of).archives)),$(call $(2),$(word $(1),$($(of)))))
weights-fetched reviews-fetched: | .tox/tools.stamp .tox/python3.7.txt
	$(if $(several),@$(TOOLS) -m inputs.download --checksums=$(call in-shell,$(CHECKSUMS)) \
	  $(foreach i,$(call sources,$(of)),$(call from,$i,in-shell) $(call archive-at,$(of),$i)))
# What is there is checked again when its record is gone, or when the checksums are others.
archive.makes = $(call archive-at,$(of),$(call chosen,$(of)))
archive.command = $(TOOLS) -m inputs.download --checksums=$(CHECKSUMS) $(call from,$(call chosen,$(of)),or) \
	$(archive.makes)
archive.record = $(archive.makes).record.json
archive.goal = $(if $(filter WEIGHTS,$(of)),pretrained,reviews)
weights-archive reviews-archive: %-archive: $(CHECKSUMS) FORCE | %-fetched
	$(call stage,archive)

PRETRAINED = $(addprefix $(PROFILE_OUT)/pretrained/,bert_config.json vocab.txt bert_model.ckpt.index)
pretrained: $(PRETRAINED)  ## weights as a TensorFlow 1 checkpoint, with vocab.txt and bert_config.json
weights-config = $(if $(filter huggingface random,$(weights-format)),$(WEIGHTS_CONFIG))
pretrained.command = $(TF1) -m tf1.pretrained $(weights-format) $(weights-file) $(PROFILE_OUT)/pretrained \
	$(weights-config:%=--bert_config_file=%)
pretrained.makes = $(PROFILE_OUT)/pretrained
pretrained.record = $(PROFILE_OUT)/pretrained.record.json
pretrained.reads = $(weights-file) $(weights-config)
$(PRETRAINED) &: FORCE | .tox/tf1.stamp weights-archive
	$(call stage,pretrained)

# Each that is there, against the first.
forms = $(foreach i,$(call here,WEIGHTS),$(word $i,$(WEIGHTS_FORMAT)) $(call archive-at,WEIGHTS,$i)) \
	$(foreach module,$(MODULES),$(if $(call there,$(call module-folder,$(module))),\
	module $(call module-folder,$(module))))
corpora = $(foreach i,$(call here,REVIEWS_FROM),$(call archive-at,REVIEWS_FROM,$i))
too-few = $(if $(word 2,$(call places,$(2))),echo "make sources: of $(PROFILE)'s sources $(or $(3),none) is there: get \
	another with make $(1) SOURCE= and one of $(sort $(HOSTS_OF_SOURCES))" >&2; false,true)
checked = $(foreach of,WEIGHTS REVIEWS_FROM,$(foreach i,$(call here,$(of)),$(TOOLS) -m inputs.download \
	--checksums=$(call in-shell,$(CHECKSUMS)) $(call from,$i,in-shell) $(call archive-at,$(of),$i) &&))
sources: | .tox/tools.stamp .tox/tf1.stamp .tox/openvino-current.stamp  ## are the sources that are there the same?
	@$(checked) true
	@code=0; \
	$(if $(word 3,$(forms)),$(TF1) -m tf1.sources $(forms) $(WEIGHTS_CONFIG:%=--bert_config_file=%),\
	  $(call too-few,pretrained,WEIGHTS,$(word 2,$(forms)))) || code=1; \
	$(if $(word 2,$(corpora)),$(CURRENT) -m inputs.sources $(corpora),\
	  $(call too-few,reviews,REVIEWS_FROM,$(corpora))) || code=1; \
	exit $$code

hub-module: $(PROFILE_OUT)/hub-module/saved_model.pb  ## the pretrained weights as a TF Hub module, for HUB_MODULE=
hub-module.command = $(TF1) -m tf1.hub export $(PROFILE_OUT)/pretrained $(PROFILE_OUT)/hub-module \
	$(DO_LOWER_CASE:%=--do_lower_case=%)
hub-module.makes = $(PROFILE_OUT)/hub-module
hub-module.record = $(PROFILE_OUT)/hub-module.record.json
$(PROFILE_OUT)/hub-module/saved_model.pb: $(PRETRAINED) FORCE | .tox/tf1.stamp
	$(call stage,hub-module)

# BERT comes as the guide's checkpoint, or the notebook's way, as a module by folder or URL, which brings its own
# vocabulary and casing. A module from a URL lies where tensorflow-hub keeps it. Where a profile has a URL and a folder,
# the folder is that of make hub-module, for when the URL gives nothing.
MODULE = $(if $(findstring ://,$(call named,$(HUB_MODULE))),,$(HUB_MODULE)/saved_model.pb)
module-folder = $(if $(findstring ://,$(call named,$(1))),\
	$(TFHUB_CACHE_DIR)/$(shell printf %s $(call in-shell,$(1)) | sha1sum | cut -c-40),$(1))
fetched-module = $(if $(HUB_MODULE),$(call module-folder,$(HUB_MODULE)))
module-fetched: | .tox/tf1.stamp
	$(if $(word 2,$(MODULES)),$(if $(call there,$(call module-folder,$(HUB_MODULE)))$(DRY_RUN),,\
	  @$(TF1) -m tf1.hub fetch $(HUB_MODULE) || { [ $$? = 1 ] && \
	  echo "trying $(lastword $(MODULES)), made of the checkpoint" >&2 && $(MAKE) --no-print-directory hub-module; }))
module.command = $(TF1) -m tf1.hub describe $(HUB_MODULE) $(OUT)/module
module.makes = $(OUT)/module
module.reads = $(if $(word 2,$(MODULES)),$(fetched-module))
module.goal = features
module.flags = $(trains)
$(OUT)/module/vocab.txt $(OUT)/module/bert_config.json &: $(MODULE) FORCE | .tox/tf1.stamp module-fetched
	$(call stage,module)

## VOCAB_FILE: of a CHECKPOINT to predict with; a tokenizer_config.json beside it tells its casing
## BERT_CONFIG_FILE: of a CHECKPOINT to predict with
BERT_CONFIG_FILE = $(PROFILE_OUT)/pretrained/bert_config.json
ifdef HUB_MODULE
VOCAB_FILE = $(OUT)/module/vocab.txt
MODEL_CONFIG = $(OUT)/module/bert_config.json
MODEL = --bert_hub_module_handle=$(HUB_MODULE) $(if $(DETERMINISTIC),--deterministic)
MODEL_FILES = $(VOCAB_FILE) $(MODULE)
else
VOCAB_FILE = $(PROFILE_OUT)/pretrained/vocab.txt
MODEL_CONFIG = $(BERT_CONFIG_FILE)
INIT_CHECKPOINT = $(PROFILE_OUT)/pretrained/bert_model.ckpt
MODEL = --vocab_file=$(VOCAB_FILE) --bert_config_file=$(BERT_CONFIG_FILE) $(if $(DETERMINISTIC),--deterministic)
MODEL_FILES = $(VOCAB_FILE) $(BERT_CONFIG_FILE)
endif

# What lies beside a checkpoint belongs to it, unless something else is given.
BESIDE := $(if $(CHECKPOINT),$(shell dirname $(call in-shell,$(CHECKPOINT))))
lies-beside = $(if $(filter $(1),$(COMMAND_LINE)),,$(if $(shell test -e $(call quote,$(BESIDE)/$(2)) && echo there),\
	$(eval export GIVEN_$(1) := $$(BESIDE)/$(2))$(eval $(1) = @given/$(1))))
LABEL_NAMES = $(shell ls $(dir $(FINE_TUNED))labels.txt 2> /dev/null)
ifdef FOLDER
VOCAB_FILE = $(OUT)/checkpoint/vocab.txt
BERT_CONFIG_FILE = $(OUT)/checkpoint/bert_config.json
BESIDE_TOKENIZER = $(OUT)/checkpoint/tokenizer_config.json
checkpoint.command = $(TF1) -m tf1.hugging_face $(CHECKPOINT) $(OUT)/checkpoint
checkpoint.makes = $(OUT)/checkpoint
checkpoint.goal = pb
$(TRANSLATED).index $(VOCAB_FILE) $(BERT_CONFIG_FILE) &: $(CHECKPOINT) FORCE | .tox/tf1.stamp
	$(call stage,checkpoint)
else ifdef BESIDE
$(call lies-beside,LABEL_NAMES,labels.txt)
$(call lies-beside,BESIDE_TOKENIZER,tokenizer_config.json)
ifndef HUB_MODULE
$(call lies-beside,VOCAB_FILE,vocab.txt)
$(call lies-beside,BERT_CONFIG_FILE,bert_config.json)
endif
endif

## DO_LOWER_CASE: 1 or 0: lower-case texts and strip accents, or not, whatever the vocabulary and its configuration say
DO_LOWER_CASE =
VOCABULARY := $(VOCAB_FILE)
ifneq ($(DO_LOWER_CASE),)
override VOCAB_FILE := $(OUT)/vocab/vocab.txt
vocab.command = $(TOOLS) -m infer.text.vocab $(VOCABULARY) $(OUT)/vocab --do_lower_case=$(DO_LOWER_CASE)
vocab.makes = $(OUT)/vocab
vocab.goal = features
$(VOCAB_FILE): $(VOCABULARY) FORCE | .tox/tools.stamp
	$(call stage,vocab)
endif
# What reads the vocabulary reads this too, where there is one.
ifneq ($(filter @given/%,$(VOCAB_FILE)),)
export GIVEN_CASING := $(shell dirname $(call in-shell,$(VOCAB_FILE)))/tokenizer_config.json
CASING = $(if $(call there,@given/CASING),@given/CASING)
else
CASING = $(shell ls $(dir $(VOCAB_FILE))tokenizer_config.json 2> /dev/null)
endif

## TRAIN: your own texts with labels to train on: a .csv, .tsv, .jsonl, .json or .parquet
TRAIN =
## TEST: such a file to evaluate on
TEST =
## TEST_SHARE: instead of TEST: this share of TRAIN, or of DATA_DIR's train/, such as 0.2
TEST_SHARE =
## LABEL_COLUMN: of TRAIN, TEST, CALIBRATE and make evaluate: the column of the labels, if it is not called label or the like
LABEL_COLUMN =
## LABELS: of TRAIN or DATA_DIR: the labels in the order of their ids, if not sorted: LABELS="a b c", or with commas
LABELS =
# Hugging Face's form of aclImdb is read with pyarrow, which is in openvino-current.
REVIEWS_ENVIRONMENT = $(if $(OWN)$(filter aclimdb,$(CORPUS)),openvino-current,tools)
EXAMPLES = $(addprefix $(OUT)/reviews/,train.jsonl test.jsonl labels.txt heldout.txt)
KEPT = $(OUT)/reviews/calibrate.jsonl
reviews: $(EXAMPLES)  ## a seeded sample of reviews, to train on and to evaluate on
own-texts = $(CURRENT) -m inputs.own $(TRAIN:%=--train=%) $(TEST:%=--test=%) $(if $(TRAIN),,$(DATA_DIR:%=--folder=%)) \
	$(TEST_SHARE:%=--test_share=%) $(LABELS:%=--labels=%) $(if $(TRAIN),$(LABEL_COLUMN:%=--label_column=%) $(READING))
reviews.command = $(if $(OWN),$(own-texts),\
	.tox/$(REVIEWS_ENVIRONMENT)/bin/python -m inputs.reviews $(CORPUS) $(reviews-file)) \
	$(foreach name,$(SIZES),--$(if $(filter TRAIN%,$(name)),train,test)_size=$($(name))) \
	--random_seed=$(RANDOM_SEED) $(OUT)/reviews
reviews.makes = $(OUT)/reviews
reviews.flags = $(trains)
reviews.reads = $(if $(OWN),,$(reviews-file))
$(EXAMPLES) $(KEPT) &: $(or $(strip $(TRAIN) $(TEST)),$(DATA_DIR)) FORCE | .tox/$(REVIEWS_ENVIRONMENT).stamp \
		$(if $(OWN),,reviews-archive)
	$(call stage,reviews)

# A model that is none, and a length that it has no positions for, are found before anything older goes.
FEATURES = $(OUT)/features/features.json
features: $(FEATURES)  ## the ids of the reviews, in TFRecord files, for both phases
features.command = $(TF1) -m tf1.features $(OUT)/reviews $(OUT)/features --vocab_file=$(VOCAB_FILE) \
	--max_seq_length=$(MAX_SEQ_LENGTH)
features.makes = $(OUT)/features
features.reads = $(CASING)
features.flags = $(trains)
fits = positions=$$(grep -o '"max_position_embeddings": *[0-9]*' $(call in-shell,$(MODEL_CONFIG)) \
	  | grep -o '[0-9]*$$'); \
	[ "$${positions:-$(MAX_SEQ_LENGTH)}" -ge $(MAX_SEQ_LENGTH) ] || \
	{ echo "MAX_SEQ_LENGTH=$(MAX_SEQ_LENGTH): the model has only $$positions positions" >&2; exit 1; }; \
	$(if $(HUB_MODULE),,$(TOOLS) -m infer.text.bert_config $(call in-shell,$(BERT_CONFIG_FILE)) \
	  $(call in-shell,$(VOCAB_FILE)) && )
$(FEATURES): $(VOCAB_FILE) $(MODEL_CONFIG) $(EXAMPLES) FORCE | .tox/tf1.stamp
	$(call stage,features,$(fits))

.PHONY: pretrained sources hub-module reviews features weights-fetched weights-archive reviews-fetched reviews-archive \
	module-fetched
