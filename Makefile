# Fine-tunes BERT on movie reviews, twice, freezes it, converts it with OpenVINO and predicts: files all the way.
#   make predict                        everything, on the default profile
#   make predict PROFILE=multilingual   the guide's own weights and reviews
#   make ir CHECKPOINT=path/model.ckpt-468   from a checkpoint made elsewhere, or PB= from a frozen graph
# Any variable of a profile can be given on the command line, e.g. TRAIN_SIZE=2000; what depends on it is rebuilt.

ifeq ($(filter grouped-target,$(.FEATURES)),)
$(error GNU Make 4.3 or newer is needed, this is $(MAKE_VERSION))
endif
PROFILE ?= minilm
BUILD = build
ifeq ($(wildcard profiles/$(PROFILE).mk),)
$(error unknown profile '$(PROFILE)': choose one of $(basename $(notdir $(wildcard profiles/*.mk))))
endif
include profiles/$(PROFILE).mk

DATA_DIR =
REVIEWS = inputs/reviews.txt
ADVISORIES =
CHECKPOINT =
PB =
INPUT =
OUTPUT =
TEXT_COLUMN =
ENGINE =
RAY_ADDRESS =
DEVICE = CPU
CONVERTER = mo
DETERMINISTIC =
WORKERS = 1
HOSTS =
RANDOM_SEED = 0
BENCH_REVIEWS = 5000
BENCH_REPEATS = 3
BENCH_LENGTH ?= 128
CHECKSUMS = inputs/checksums.txt
MIRROR ?=
OFFLINE ?=

# What is made from something given lies apart from the profile's own run, and from what was made from another.
B = $(BUILD)/$(PROFILE)$(subst /,-,$(CHECKPOINT:%=-%)$(PB:%=-%))
VOCAB_FILE = $(if $(HUB_MODULE),$(B)/module/vocab.txt,$(B)/pretrained/vocab.txt)
BERT_CONFIG_FILE = $(B)/pretrained/bert_config.json
DOWNLOADS = $(BUILD)/downloads
TOOLS = .tox/tools/bin/python
TF1 = .tox/tf1/bin/python
OPENVINO = .tox/openvino/bin/python
CURRENT = .tox/openvino-current/bin/python
REPORT = .tox/report/bin/python
AUDIT = .tox/audit/bin/python
BENCH = .tox/bench/bin/python
include checks.mk

STEPS := $(shell awk 'BEGIN { print int($(TRAIN_SIZE) / $(TRAIN_BATCH_SIZE) * $(EPOCHS)) }')
STEPS2 := $(shell awk 'BEGIN { print int($(TRAIN_SIZE) / $(TRAIN_BATCH_SIZE) * $(EPOCHS2)) }')
$(if $(filter 0,$(STEPS) $(STEPS2)),$(error $(TRAIN_SIZE) reviews make no step of TRAIN_BATCH_SIZE=$(TRAIN_BATCH_SIZE)))

SHELL = /bin/bash
.DEFAULT_GOAL = help
export PYTHONPATH = .
export PYTHONWARNINGS = ignore
export PYTHONUTF8 = 1
export TF_CPP_MIN_LOG_LEVEL = 3
export TFHUB_CACHE_DIR = $(DOWNLOADS)/tfhub
export TFHUB_DOWNLOAD_PROGRESS = 1
ifdef OFFLINE
export OFFLINE
export PIP_NO_INDEX = 1
export UV_OFFLINE = 1
endif
export PYTHON3_7 = $(file <.tox/python3.7.txt)
export PYTHON3_11 = $(file <.tox/python3.11.txt)

.PHONY: help pretrained hub-module reviews features result1 result2 pb fc ir predict heldout variants ablation compare \
	classifier int8 score bench tensorboard verify test test-faults old-stack clean FORCE
help:  ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' Makefile fast.mk supply.mk
	@echo "profiles:    $(basename $(notdir $(wildcard profiles/*.mk)))  (PROFILE=$(PROFILE))"

# $(RUN) --record=FILE --parameters='…' --input … --output … -- COMMAND runs a stage and leaves a record of it
# beside what it made. $(call changed,FILE,PARAMETERS), for a stage's prerequisites, is FORCE unless its record is there, and
# with these parameters: it was made with others, or killed before it was whole.
# It takes Ctrl-C once its own Python has started, which would end in a traceback before.
RUN = @env --block-signal=INT $(TOOLS) provenance.py run
changed = $(if $(findstring "parameters": "$(strip $(2))",$(file <$(1))),,FORCE)

# $(call online,WHAT), at the head of a recipe that goes to the network for it: OFFLINE=1 ends it there.
online = $(if $(OFFLINE),@echo "$(1): is not there or out of date under OFFLINE=1: run make without it once" >&2; exit 1)

# Environments: Make's own tools, then what tox builds with them. Each from its file of pinned hashes, and from nothing:
# one that was killed while it was made can't be told from a whole one.

# A full disk is what tox dies of without a word.
tox-failed = { [ "$$(stat --file-system --format=%a .tox)" -gt 0 ] || echo ".tox: No space left on device" >&2; exit 1; }

# PATH first; pyenv's shims answer only for its active versions, so its folder is asked too; uv last, which may
# fetch one. The file holds the interpreter's path.
.tox/python3.%.txt:
	@mkdir -p $(@D)
	@for python in python3.$* python3 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.$*.*/bin/python3.$* \
	               "$$(uv python find --no-python-downloads 3.$* 2>/dev/null)" $(if $(OFFLINE),,uv); do \
	  if [ "$$python" = uv ] && [ -x .tox/tools/bin/uv ]; then \
	    .tox/tools/bin/uv python install --quiet 3.$* 2>/dev/null; \
	    python=$$(.tox/tools/bin/uv python find --managed-python 3.$* 2>/dev/null); \
	  fi; \
	  path=$$("$$python" -c 'import sys; sys.version_info[:2] == (3, $*) and print(sys.executable)' 2>/dev/null) \
	    && [ -n "$$path" ] && echo "$$path" > $@ && exit; \
	done; \
	echo "Python 3.$* is needed and was found neither on PATH nor through pyenv nor uv:" \
	  "install it with 'pyenv install 3.$*' or 'uv python install 3.$*' and run make again" >&2; exit 1

.tox/tools.stamp: requirements/tools.txt | .tox/python3.11.txt
	$(call online,.tox/tools)
	@echo "creating .tox/tools"
	@"$(PYTHON3_11)" -m venv --clear .tox/tools
	@$(TOOLS) -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# TensorFlow 1's Python is the one that may be missing: look for it before anything long, unless a PB needs none.
.tox/python3.7.txt: | .tox/tools.stamp
.tox/tf1.stamp: | .tox/python3.7.txt
.tox/%.stamp: requirements/%.txt tox.ini | .tox/tools.stamp $(if $(PB),,.tox/python3.7.txt)
	$(call online,.tox/$*)
	@echo "creating .tox/$*"
	@rm -rf .tox/$*
	@$(TOOLS) -m tox run --quiet --quiet --notest -e $* || $(tox-failed)
	@touch $@

# Horovod is built from source against TensorFlow, once that is there.
.tox/tf1-horovod.stamp: requirements/tf1-horovod.txt requirements/horovod.txt tox.ini | .tox/tools.stamp .tox/python3.7.txt
	$(call online,.tox/tf1-horovod)
	@command -v g++ > /dev/null || { echo "Horovod is built with g++: install it and run make again" >&2; exit 1; }
	@echo "creating .tox/tf1-horovod, which takes minutes to build"
	@rm -rf .tox/tf1-horovod
	@$(TOOLS) -m tox run --quiet --quiet --notest -e tf1-horovod || $(tox-failed)
	@PATH="$(CURDIR)/.tox/tf1-horovod/bin:$$PATH" MAKEFLAGS= HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITH_GLOO=1 \
	  HOROVOD_WITHOUT_MPI=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 .tox/tools/bin/uv pip install --quiet \
	  --python .tox/tf1-horovod/bin/python --no-build-isolation --no-deps --require-hashes -r requirements/horovod.txt
	@touch $@

# Inputs: downloads that are moved into place once checked, weights as a TF1 checkpoint, reviews as examples.

# $(call download,ARCHIVE,FROM): one that is there is checked again when its record is not, or names other checksums.
define download
$(DOWNLOADS)/$(1): $(call changed,$(DOWNLOADS)/$(1).record.json,$(CHECKSUMS)) | .tox/tools.stamp .tox/python3.7.txt
	$(RUN) --record=$$@.record.json --parameters='$(CHECKSUMS)' --input $(CHECKSUMS) --output $$@ -- \
	  $(TOOLS) -m inputs.download --checksums=$(CHECKSUMS) $(if $(MIRROR),$(MIRROR:%/=%)/$(1),$(2)) $$@
endef
$(eval $(call download,$(WEIGHTS_ARCHIVE),$(WEIGHTS)))
$(eval $(call download,$(REVIEWS_ARCHIVE),$(REVIEWS_FROM)))

PRETRAINED = $(addprefix $(B)/pretrained/,bert_config.json vocab.txt bert_model.ckpt.index)
pretrained: $(PRETRAINED)  ## weights as a TensorFlow 1 checkpoint, with vocab.txt and bert_config.json
CONVERT = $(WEIGHTS_FORMAT) $(DOWNLOADS)/$(WEIGHTS_ARCHIVE)
READERS = inputs/bert_config.py inputs/checkpoint.py inputs/vocab.py
$(PRETRAINED) &: $(DOWNLOADS)/$(WEIGHTS_ARCHIVE) inputs/pretrained.py inputs/archive.py $(READERS) profiles/tiny.json \
		$(call changed,$(B)/pretrained.record.json,$(CONVERT)) | .tox/tf1.stamp
	$(RUN) --record=$(B)/pretrained.record.json --parameters='$(CONVERT)' --input $(filter-out FORCE,$^) \
	  --output $(B)/pretrained -- $(TF1) -m inputs.pretrained $(CONVERT) $(B)/pretrained

hub-module: $(B)/hub-module/saved_model.pb  ## the pretrained weights as a TF Hub module, for HUB_MODULE=
$(B)/hub-module/saved_model.pb: $(PRETRAINED) inputs/hub.py $(call changed,$(B)/hub-module.record.json) | .tox/tf1.stamp
	$(RUN) --record=$(B)/hub-module.record.json --input $(B)/pretrained inputs/hub.py --output $(B)/hub-module -- \
	  $(TF1) -m inputs.hub export $(B)/pretrained $(B)/hub-module

# The notebook's way: a module, by folder or URL, brings weights, vocabulary and casing.
SAVED_MODEL = $(HUB_MODULE)/saved_model.pb
MODULE = $(or $(filter $(B)/hub-module/saved_model.pb,$(SAVED_MODEL)),$(wildcard $(SAVED_MODEL)))
$(B)/module/vocab.txt: $(MODULE) inputs/hub.py $(call changed,$(B)/module.record.json,$(HUB_MODULE)) | .tox/tf1.stamp
	$(RUN) --record=$(B)/module.record.json --parameters='$(HUB_MODULE)' --input inputs/hub.py $(MODULE) \
	  --output $(B)/module -- $(TF1) -m inputs.hub describe $(HUB_MODULE) $(B)/module

REVIEWS_SOURCE = $(or $(DATA_DIR),$(DOWNLOADS)/$(REVIEWS_ARCHIVE))
SAMPLE = $(or $(DATA_DIR:%=aclimdb),$(CORPUS)) $(REVIEWS_SOURCE) --train_size=$(TRAIN_SIZE) --test_size=$(TEST_SIZE) \
	--random_seed=$(RANDOM_SEED)
EXAMPLES = $(addprefix $(B)/reviews/,train.jsonl test.jsonl heldout.txt)
reviews: $(EXAMPLES)  ## a seeded sample of reviews, to train on and to evaluate on
# A folder's time changes with the files in it, not with theirs: hence the folders below DATA_DIR too.
$(EXAMPLES) &: $(REVIEWS_SOURCE) $(if $(DATA_DIR),$(wildcard $(DATA_DIR)/*/*)) inputs/reviews.py inputs/archive.py \
		$(call changed,$(B)/reviews.record.json,$(SAMPLE)) | .tox/tools.stamp
	$(RUN) --record=$(B)/reviews.record.json --parameters='$(SAMPLE)' \
	  --input $(REVIEWS_SOURCE) inputs/reviews.py inputs/archive.py --output $(B)/reviews -- \
	  $(TOOLS) -m inputs.reviews $(SAMPLE) $(B)/reviews

# A model that is none, and a length that it has no positions for, are found before anything older goes.
CONFIG = $(if $(HUB_MODULE),$(B)/module/bert_config.json,$(BERT_CONFIG_FILE))
fits = positions=$$(grep -o '"max_position_embeddings": *[0-9]*' $(CONFIG) | grep -o '[0-9]*$$'); \
	[ "$${positions:-$(MAX_SEQ_LENGTH)}" -ge $(MAX_SEQ_LENGTH) ] || \
	{ echo "MAX_SEQ_LENGTH=$(MAX_SEQ_LENGTH): the model has only $$positions positions" >&2; exit 1; }

BERT = $(VOCAB_FILE) $(if $(HUB_MODULE),$(MODULE),$(BERT_CONFIG_FILE))
ENCODE = $(B)/reviews $(B)/features --vocab_file=$(VOCAB_FILE) --max_seq_length=$(MAX_SEQ_LENGTH)
ENCODER = inputs/features.py inputs/reviews.py inputs/vocab.py infer/text.py
FEATURES = $(B)/features/features.json
features: $(FEATURES)  ## the ids of the reviews, in TFRecord files, for both phases
$(FEATURES): $(EXAMPLES) $(BERT) $(ENCODER) $(call changed,$(B)/features.record.json,$(ENCODE) $(CONFIG)) | .tox/tf1.stamp
	@$(fits)
	$(if $(HUB_MODULE),,@$(TOOLS) -m inputs.bert_config $(BERT_CONFIG_FILE) $(VOCAB_FILE))
	$(RUN) --record=$(B)/features.record.json --parameters='$(ENCODE) $(CONFIG)' \
	  --input $(filter-out FORCE,$^) --output $(B)/features -- $(TF1) -m inputs.features $(ENCODE)

# Two phases of fine-tuning: the same command, the second without dropout. `started` depends on all that a phase
# reads, and holds its parameters as a record does: when something changed the phase starts from nothing, and otherwise
# goes on from its last checkpoint.

CASED = $(shell grep -sl '"do_lower_case": *false' $(dir $(VOCAB_FILE))tokenizer_config.json)
MODEL = $(if $(HUB_MODULE),--bert_hub_module_handle=$(HUB_MODULE),--vocab_file=$(VOCAB_FILE) \
	--bert_config_file=$(BERT_CONFIG_FILE) $(if $(CASED),--do_lower_case=false)) \
	$(if $(filter-out 0,$(DETERMINISTIC)),--deterministic)
TRAIN = --do_train=true --do_eval=true --data_dir=$(B)/features $(MODEL) --max_seq_length=$(MAX_SEQ_LENGTH) \
	--train_batch_size=$(TRAIN_BATCH_SIZE) --save_checkpoints_steps=$(SAVE_CHECKPOINTS_STEPS) \
	--random_seed=$(RANDOM_SEED)
PHASE1 = $(B)/result1/model.ckpt-$(STEPS)
PHASE2 = $(B)/result2/model.ckpt-$(STEPS2)
TRAIN1 = $(TRAIN) $(if $(HUB_MODULE),,--init_checkpoint=$(B)/pretrained/bert_model.ckpt) \
	--learning_rate=$(LEARNING_RATE) --num_train_epochs=$(EPOCHS) --output_dir=$(B)/result1
TRAIN2 = $(TRAIN) --init_checkpoint=$(PHASE1) \
	--learning_rate=$(LEARNING_RATE2) --num_train_epochs=$(EPOCHS2) --output_dir=$(B)/result2
SHARED = inputs/checkpoint.py inputs/flags.py
TRAINER = workers.py inputs/features.py inputs/hub.py inputs/bert_config.py inputs/vocab.py $(SHARED)

# WORKERS=2 shares every batch among two processes, on HOSTS=a:1,b:1 or on this one.
SEVERAL = $(filter-out 1,$(WORKERS))
TRAINING = $(if $(SEVERAL),tf1-horovod,tf1)
LAUNCHER = .tox/$(TRAINING)/bin/python $(if $(SEVERAL),launch.py --workers=$(WORKERS) $(HOSTS:%=--hosts=%) --)

# What follows from a phase goes with it, so that the results of two parameter sets never lie in one folder.
FOLLOWS = $(addprefix $(B)/,bert-finetune.pb bert-finetune.xml bert-finetune.bin weight.npy bias.npy \
	mo.log pb.record.json fc.record.json ir.record.json ablation compare compare.record.json \
	classifier.xml classifier.bin classifier.cache classifier.record.json int8 int8.record.json bench \
	$(foreach name,tensorflow tensorflow.record.json openvino.txt openvino.record.json,predict/$(name) heldout/$(name)))
$(B)/result1/started: run_classifier.py $(TRAINER) $(BERT) $(if $(HUB_MODULE),,$(PRETRAINED)) \
		$(FEATURES) $(call changed,$(B)/result1/started,$(TRAIN1) $(SEVERAL:%=WORKERS=%))
	@rm -rf $(B)/result1 $(B)/result2 $(B)/result1.record.json $(B)/result2.record.json $(FOLLOWS)
	@mkdir -p $(@D) && echo '"parameters": "$(strip $(TRAIN1) $(SEVERAL:%=WORKERS=%))"' > $@
$(B)/result2/started: $(B)/run_classifier.py $(B)/result1/eval_results.txt \
		$(call changed,$(B)/result2/started,$(TRAIN2) $(SEVERAL:%=WORKERS=%))
	@rm -rf $(B)/result2 $(B)/result2.record.json $(FOLLOWS)
	@mkdir -p $(@D) && echo '"parameters": "$(strip $(TRAIN2) $(SEVERAL:%=WORKERS=%))"' > $@

# A module from a URL is where tensorflow-hub keeps it.
PRETRAINED_FROM = $(if $(HUB_MODULE),$(if $(MODULE),$(HUB_MODULE),$(TFHUB_CACHE_DIR)),$(B)/pretrained)
result1: $(B)/result1/eval_results.txt  ## fine-tune and evaluate, with dropout
$(B)/result1/eval_results.txt: $(B)/result1/started $(call changed,$(B)/result1.record.json) | .tox/$(TRAINING).stamp
	$(RUN) --record=$(B)/result1.record.json --input run_classifier.py $(TRAINER) $(BERT) $(PRETRAINED_FROM) \
	  $(B)/features --output $(B)/result1 -- $(LAUNCHER) run_classifier.py $(TRAIN1)

PATCH = run_classifier.py patches/disable-dropout.patch
$(B)/run_classifier.py: $(PATCH) $(call changed,$(B)/patch.record.json) | .tox/tools.stamp
	$(RUN) --record=$(B)/patch.record.json --input $(PATCH) --output $@ --part=$(B)/patch.part -- \
	  patch --output=$(B)/patch.part/run_classifier.py --reject-file=- $(PATCH)

result2: $(B)/result2/eval_results.txt  ## fine-tune again without dropout, and evaluate
$(B)/result2/eval_results.txt: $(B)/result2/started $(call changed,$(B)/result2.record.json) | .tox/$(TRAINING).stamp
	$(RUN) --record=$(B)/result2.record.json --input $(B)/run_classifier.py $(TRAINER) $(BERT) $(PHASE1) \
	  $(B)/features --output $(B)/result2 -- $(LAUNCHER) $(B)/run_classifier.py $(TRAIN2)

# Freeze the encoder, export the head, convert the encoder with the Model Optimizer: of result2, or of what is given.

FINE_TUNED = $(or $(CHECKPOINT),$(PHASE2))
WHOLE = $(if $(CHECKPOINT),$(CHECKPOINT).index,$(B)/result2/eval_results.txt)
FROZEN = $(or $(PB),$(B)/bert-finetune.pb)

# $(call freeze,FOLDER,CHECKPOINT,FILE THAT SAYS IT IS WHOLE,ANOTHER GRAPH FOR IT)
define freeze
$(1)/bert-finetune.pb: $(3) ckpt_to_pb.py $(SHARED) $(call changed,$(1)/pb.record.json,$(2) $(4)) | .tox/tf1.stamp
	$(RUN) --record=$(1)/pb.record.json --parameters='$(2) $(4)' --input $(2) $(4) ckpt_to_pb.py $(SHARED) \
	  --output $$@ -- \
	  $(TF1) ckpt_to_pb.py --init_checkpoint=$(2) $(4:%=--meta_graph=%) --output_file=$$@
endef
$(if $(PB),,$(eval $(call freeze,$(B),$(FINE_TUNED),$(WHOLE))))
pb: $(FROZEN)  ## freeze the encoder of result2, or of CHECKPOINT=

# $(call head,FOLDER,CHECKPOINT,FILE THAT SAYS IT IS WHOLE)
define head
$(1)/weight.npy $(1)/bias.npy &: $(3) export_fc.py $(SHARED) $(call changed,$(1)/fc.record.json,$(2)) | .tox/tf1.stamp
	$(RUN) --record=$(1)/fc.record.json --parameters='$(2)' --input $(2) export_fc.py $(SHARED) \
	  --output $(1)/weight.npy $(1)/bias.npy -- \
	  $(TF1) export_fc.py --init_checkpoint=$(2) --output_dir=$(1)
endef
$(eval $(call head,$(B),$(FINE_TUNED),$(WHOLE)))
fc: $(B)/weight.npy $(B)/bias.npy  ## export the classifier head of result2, or of CHECKPOINT=

# $(call ir-CONVERTER,FOLDER,PB): the length is the graph's own. CI=true keeps mo from sending usage statistics.
define ir-mo
$(1)/bert-finetune.xml $(1)/bert-finetune.bin &: $(2) inputs/graph.py $(call changed,$(1)/ir.record.json,$(2) mo) \
		| .tox/openvino.stamp
	@length=$$$$($(OPENVINO) -m inputs.graph $(2)) && shape=[1,$$$$length] && \
	$(RUN:@%=%) --record=$(1)/ir.record.json --parameters='$(2) mo' --input $(2) --log=$(1)/mo.log --part=$(1)/ir.part \
	  --output $(1)/bert-finetune.xml $(1)/bert-finetune.bin -- \
	  env CI=true $(OPENVINO) -m openvino.tools.mo --input_model $(2) --model_name bert-finetune \
	  --input IteratorGetNext:0{i32},IteratorGetNext:1{i32},IteratorGetNext:3{i32} \
	  --input_shape $$$$shape,$$$$shape,$$$$shape --output bert/pooler/dense/Tanh \
	  --compress_to_fp16=False --output_dir $(1)/ir.part
endef
define ir-frontend
$(1)/bert-finetune.xml $(1)/bert-finetune.bin &: $(2) infer/convert.py \
		$(call changed,$(1)/ir.record.json,$(2) frontend) | .tox/openvino-current.stamp
	@rm -f $(1)/mo.log
	$(RUN) --record=$(1)/ir.record.json --parameters='$(2) frontend' --input $(2) infer/convert.py \
	  --part=$(1)/ir.part --output $(1)/bert-finetune.xml $(1)/bert-finetune.bin -- \
	  $(CURRENT) -m infer.convert encoder $(2) $(1)/ir.part/bert-finetune.xml
endef
$(eval $(call ir-$(CONVERTER),$(B),$(FROZEN)))
ir: $(B)/bert-finetune.xml $(B)/bert-finetune.bin  ## convert the encoder, or that in PB=, to OpenVINO's IR

# Predict the same reviews with TensorFlow and with OpenVINO, and compare.

$(B)/predict/%: FROM = $(REVIEWS)
$(B)/heldout/%: FROM = $(B)/reviews/heldout.txt
TENSORFLOW = $(B)/predict/tensorflow/test_results.tsv $(B)/heldout/tensorflow/test_results.tsv
INFERRED = $(B)/predict/openvino.txt $(B)/heldout/openvino.txt
LENGTH = $(if $(CHECKPOINT),$$($(OPENVINO) -m inputs.graph $(FROZEN)),$(MAX_SEQ_LENGTH))
ASKED = $(MODEL) $(FINE_TUNED) $(MAX_SEQ_LENGTH)
$(TENSORFLOW): $(B)/%/tensorflow/test_results.tsv: $(BERT) $(WHOLE) $(if $(CHECKPOINT),$(FROZEN)) \
		run_classifier_predict.py run_classifier.py | .tox/tf1.stamp $(if $(CHECKPOINT),.tox/openvino.stamp)
	@length=$(LENGTH) && $(RUN:@%=%) --record=$(B)/$*/tensorflow.record.json --parameters='$(FROM) $(ASKED)' \
	  --input $(FROM) $(BERT) $(FINE_TUNED) run_classifier_predict.py run_classifier.py --output $(@D) -- \
	  $(TF1) run_classifier_predict.py --do_train=false --do_eval=false --do_predict=true $(MODEL) \
	  --max_seq_length=$$length --init_checkpoint=$(FINE_TUNED) --predict_file=$(FROM) --output_dir=$(@D)
$(B)/predict/tensorflow/test_results.tsv: $(REVIEWS) \
		$(call changed,$(B)/predict/tensorflow.record.json,$(REVIEWS) $(ASKED))
$(B)/heldout/tensorflow/test_results.tsv: $(B)/reviews/heldout.txt \
		$(call changed,$(B)/heldout/tensorflow.record.json,$(B)/reviews/heldout.txt $(ASKED))

IR = $(addprefix $(B)/,bert-finetune.xml bert-finetune.bin weight.npy bias.npy)
$(INFERRED): $(B)/%/openvino.txt: $(B)/%/tensorflow/test_results.tsv $(IR) $(VOCAB_FILE) $(wildcard infer/*.py) \
		| .tox/openvino.stamp
	$(RUN) --record=$(B)/$*/openvino.record.json --parameters='$(DEVICE) $(VOCAB_FILE)' \
	  --input $(FROM) $(filter-out FORCE,$^) --stdout=$@ -- \
	  $(OPENVINO) -m infer -m $(B)/bert-finetune.xml -d $(DEVICE) -f $(FROM) --vocab_file $(VOCAB_FILE) \
	  --reference $(B)/$*/tensorflow/test_results.tsv
$(B)/predict/openvino.txt: $(call changed,$(B)/predict/openvino.record.json,$(DEVICE) $(VOCAB_FILE))
$(B)/heldout/openvino.txt: $(call changed,$(B)/heldout/openvino.record.json,$(DEVICE) $(VOCAB_FILE))

predict: $(B)/predict/openvino.txt  ## predict four reviews, or those in REVIEWS=file, with OpenVINO
	@cat $<
heldout: $(B)/heldout/openvino.txt  ## compare OpenVINO with TensorFlow on 500 held-out reviews
	@tail -n 1 $<

# Is the second phase needed? All test reviews, by result1's weights in a graph without dropout, by result2's, and
# by result1's in their own graph, dropout and all; again for every seed of SEEDS, each in a build of its own.

A = $(B)/ablation
define variant
$(call freeze,$(A)/$(1),$(2),$(B)/result2/eval_results.txt,$(3))
$(call head,$(A)/$(1),$(2),$(B)/result2/eval_results.txt)
$(call ir-$(CONVERTER),$(A)/$(1),$(A)/$(1)/bert-finetune.pb)
endef
$(eval $(call variant,no-dropout,$(PHASE1),$(PHASE2).meta))
$(eval $(call variant,second-phase,$(PHASE2)))
$(eval $(call variant,with-dropout,$(PHASE1)))

# Dropout answers differently every time: three times, then.
$(A)/%/probabilities-1.tsv: TIMES = 1
$(A)/with-dropout/probabilities-1.tsv: TIMES = 1 2 3
VARIANTS = $(patsubst %,$(A)/%/probabilities-1.tsv,no-dropout second-phase with-dropout)
$(VARIANTS): $(A)/%/probabilities-1.tsv: $(A)/%/bert-finetune.xml $(A)/%/weight.npy $(VOCAB_FILE) $(EXAMPLES) \
		$(wildcard infer/*.py) | .tox/openvino.stamp
	$(RUN) --record=$(@D)/probabilities.record.json --input $(filter-out FORCE,$^) \
	  --output $(TIMES:%=$(@D)/probabilities-%.tsv) -- \
	  $(OPENVINO) -m infer.evaluate -m $< --vocab_file $(VOCAB_FILE) --data_dir $(B)/reviews \
	  --repeats $(words $(TIMES)) $(@D)
$(foreach made,$(VARIANTS),$(eval $(made): $(call changed,$(dir $(made))probabilities.record.json)))
variants: $(VARIANTS)

# A seed is a build of its own.
OTHERS = $(filter-out $(RANDOM_SEED),$(sort $(SEEDS)))
OTHER_SEEDS = $(OTHERS:%=$(B)/seeds/%/ablation/with-dropout/probabilities-1.tsv)
$(OTHER_SEEDS): $(B)/seeds/%/ablation/with-dropout/probabilities-1.tsv: FORCE | $(VARIANTS)
	@$(MAKE) --no-print-directory B=$(B)/seeds/$* DOWNLOADS=$(DOWNLOADS) RANDOM_SEED=$* variants

ablation: $(A)/results.json  ## is the second phase needed? accuracy, loss, calibration, size, for every seed of SEEDS
	@echo "$(A)/ablation.md and ablation.svg"
$(A)/results.json: $(VARIANTS) $(OTHER_SEEDS) $(wildcard report/*.py) \
		$(call changed,$(A)/ablation.record.json,$(RANDOM_SEED) $(OTHERS)) | .tox/report.stamp
	$(RUN) --record=$(A)/ablation.record.json --parameters='$(RANDOM_SEED) $(OTHERS)' \
	  --input $(wildcard report/*.py) $(dir $(VARIANTS)) $(OTHERS:%=$(B)/seeds/%/ablation) \
	  --output $(addprefix $(A)/,ablation.md ablation.svg ablation.png results.json) -- $(REPORT) -m report.ablation \
	  --output_dir=$(A) $(RANDOM_SEED)=$(A) $(foreach seed,$(OTHERS),$(seed)=$(B)/seeds/$(seed)/ablation)

compare: $(B)/compare/compare.md  ## this run beside the notebook and the guide: compare.md and compare.html
	@echo "$(B)/compare/compare.md and $(B)/compare/compare.html"
$(B)/compare/compare.md: $(A)/results.json $(B)/predict/openvino.txt report/published.json $(wildcard report/*.py) \
		$(call changed,$(B)/compare.record.json) | .tox/report.stamp
	$(RUN) --record=$(B)/compare.record.json --input $(filter-out FORCE,$^) --output $(B)/compare -- \
	  $(REPORT) -m report.compare $(B) --profile=$(PROFILE)

include fast.mk
include supply.mk

tensorboard: $(B)/result1/eval_results.txt $(B)/result2/eval_results.txt | .tox/report.stamp  ## look at the curves
	$(REPORT) -m tensorboard.main --logdir=$(B)

verify: | .tox/tools.stamp  ## check every file of the build against the records
	@$(TOOLS) provenance.py verify $(B)

WHEELS = $(DOWNLOADS)/$(WEIGHTS_ARCHIVE) $(DOWNLOADS)/$(REVIEWS_ARCHIVE)
TEST_ENVIRONMENTS = lint audit tf1 tf1-horovod report openvino-current ray openvino
test: $(TEST_ENVIRONMENTS:%=.tox/%.stamp) $(WHEELS)  ## run the tests
	@$(TOOLS) -m tox run --quiet $(TEST_ENVIRONMENTS:%=-e %)
test-faults: $(TEST_ENVIRONMENTS:%=.tox/%.stamp) $(WHEELS)  ## kill every stage, fill the disk, and make again
	@$(OPENVINO) -m pytest tests/faults

# TensorFlow 1.12 on Python 3.6, which tox and uv no longer know: evidence, not needed for anything.
.tox/tf112.stamp: requirements/tf112.txt | .tox/python3.6.txt
	$(call online,.tox/tf112)
	@echo "creating .tox/tf112"
	@"$(file <.tox/python3.6.txt)" -m venv --clear .tox/tf112
	@.tox/tf112/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
old-stack: .tox/tf1.stamp $(DOWNLOADS)/$(WEIGHTS_ARCHIVE)  ## compare with TensorFlow 1.12
	@if make --silent .tox/python3.6.txt 2> /dev/null; then \
	  make --silent .tox/tf112.stamp && $(TF1) -m pytest --quiet --capture=no tests/tf1 -m old_stack; \
	else \
	  echo "old-stack: skipped, there is no Python 3.6: install it with 'pyenv install 3.6' and run make again"; \
	fi

clean:  ## remove what the profile built, not downloads or environments
	rm -rf $(B)
