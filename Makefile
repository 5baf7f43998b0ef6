# Fine-tunes BERT on movie reviews, twice, freezes it, converts it with OpenVINO and predicts: files all the way.
#   make predict                        everything, on the default profile
#   make predict PROFILE=multilingual   the guide's own weights and reviews
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
$(foreach given,DATA_DIR REVIEWS,$(if $(word 2,$($(given))),$(error $(given)='$($(given))': Make takes no spaces in it)))
$(foreach given,$(DATA_DIR) $(REVIEWS),$(if $(wildcard $(given)),,$(error $(given): no such file or folder)))
DEVICE = CPU
RANDOM_SEED = 0
CHECKSUMS = inputs/checksums.txt

B = $(BUILD)/$(PROFILE)
DOWNLOADS = $(BUILD)/downloads
TOOLS = .tox/tools/bin/python
TF1 = .tox/tf1/bin/python
OPENVINO = .tox/openvino/bin/python
STEPS := $(shell awk 'BEGIN { print int($(TRAIN_SIZE) / $(TRAIN_BATCH_SIZE) * $(EPOCHS)) }')
STEPS2 := $(shell awk 'BEGIN { print int($(TRAIN_SIZE) / $(TRAIN_BATCH_SIZE) * $(EPOCHS2)) }')

SHELL = /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL = help
export PYTHONPATH = .
export PYTHONWARNINGS = ignore
export PYTHONUTF8 = 1
export TF_CPP_MIN_LOG_LEVEL = 3
export PYTHON3_7 = $(file <.tox/python3.7.txt)
export PYTHON3_11 = $(file <.tox/python3.11.txt)

.PHONY: help pretrained reviews result1 result2 pb fc ir predict heldout test clean FORCE
help:  ## list the targets
	@awk -F':.*## ' '/^[a-z0-9]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' Makefile
	@echo "profiles:    $(basename $(notdir $(wildcard profiles/*.mk)))  (PROFILE=$(PROFILE))"

# $(call remember,FILE,VALUE): FILE holds VALUE, and is written only when VALUE has changed.
same = $(and $(findstring x$(1)x,x$(2)x),$(findstring x$(2)x,x$(1)x))
define remember
$(1): $(if $(call same,$(file <$(1)),$(2)),,FORCE)
	@mkdir -p $$(@D)
	@echo '$(2)' > $$@
endef

# Environments: Make's own tools, then what tox builds with them. Each from its file of pinned hashes.

# PATH first; pyenv's shims answer only for its active versions, so its folder is asked too; uv last, which may
# fetch one. The file holds the interpreter's path.
.tox/python3.%.txt:
	@mkdir -p $(@D)
	@for python in python3.$* python3 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.$*.*/bin/python3.$* \
	               "$$(uv python find --no-python-downloads 3.$* 2>/dev/null)" uv; do \
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
	@echo "creating .tox/tools"
	@"$(PYTHON3_11)" -m venv --clear .tox/tools
	@$(TOOLS) -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# TensorFlow 1's Python is the one that may be missing: look for it before anything long.
.tox/python3.7.txt: | .tox/tools.stamp
.tox/%.stamp: requirements/%.txt tox.ini | .tox/tools.stamp .tox/python3.7.txt
	@echo "creating .tox/$*"
	@$(TOOLS) -m tox run --quiet --quiet --notest -e $*
	@touch $@

# Inputs: downloads that are moved into place once checked, weights as a TF1 checkpoint, reviews as examples.

$(DOWNLOADS)/$(WEIGHTS_ARCHIVE): | .tox/tools.stamp .tox/python3.7.txt
	$(TOOLS) -m inputs.download --checksums=$(CHECKSUMS) $(WEIGHTS) $@
$(DOWNLOADS)/$(REVIEWS_ARCHIVE): | .tox/tools.stamp .tox/python3.7.txt
	$(TOOLS) -m inputs.download --checksums=$(CHECKSUMS) $(REVIEWS_FROM) $@

PRETRAINED = $(addprefix $(B)/pretrained/,bert_config.json vocab.txt bert_model.ckpt.index)
pretrained: $(PRETRAINED)  ## weights as a TensorFlow 1 checkpoint, with vocab.txt and bert_config.json
$(PRETRAINED) &: $(DOWNLOADS)/$(WEIGHTS_ARCHIVE) inputs/pretrained.py profiles/tiny.json | .tox/tf1.stamp
	$(TF1) -m inputs.pretrained $(WEIGHTS_FORMAT) $< $(B)/pretrained

REVIEWS_SOURCE = $(or $(DATA_DIR),$(DOWNLOADS)/$(REVIEWS_ARCHIVE))
SAMPLE = $(or $(DATA_DIR:%=aclimdb),$(CORPUS)) $(REVIEWS_SOURCE) --train_size=$(TRAIN_SIZE) --test_size=$(TEST_SIZE) \
	--random_seed=$(RANDOM_SEED)
EXAMPLES = $(addprefix $(B)/reviews/,train.jsonl test.jsonl heldout.txt)
$(eval $(call remember,$(B)/flags/reviews,$(SAMPLE)))
reviews: $(EXAMPLES)  ## a seeded sample of reviews, to train on and to evaluate on
# A folder's time changes with the files in it, not with theirs: hence the folders below DATA_DIR too.
$(EXAMPLES) &: $(REVIEWS_SOURCE) $(if $(DATA_DIR),$(wildcard $(DATA_DIR)/*/*)) inputs/reviews.py $(B)/flags/reviews | .tox/tools.stamp
	$(TOOLS) -m inputs.reviews $(SAMPLE) $(B)/reviews

# Two phases of fine-tuning: the same command, the second without dropout. `started` depends on all that a phase
# reads: when something changed the phase starts from nothing, and otherwise goes on from its last checkpoint.

MODEL = --vocab_file=$(B)/pretrained/vocab.txt --bert_config_file=$(B)/pretrained/bert_config.json \
	--max_seq_length=$(MAX_SEQ_LENGTH)
TRAIN = --do_train=true --do_eval=true --data_dir=$(B)/reviews $(MODEL) --train_batch_size=$(TRAIN_BATCH_SIZE) \
	--save_checkpoints_steps=$(SAVE_CHECKPOINTS_STEPS) --random_seed=$(RANDOM_SEED)
TRAIN1 = $(TRAIN) --init_checkpoint=$(B)/pretrained/bert_model.ckpt \
	--learning_rate=$(LEARNING_RATE) --num_train_epochs=$(EPOCHS) --output_dir=$(B)/result1
TRAIN2 = $(TRAIN) --init_checkpoint=$(B)/result1/model.ckpt-$(STEPS) \
	--learning_rate=$(LEARNING_RATE2) --num_train_epochs=$(EPOCHS2) --output_dir=$(B)/result2
SHARED = inputs/checkpoint.py inputs/flags.py
$(eval $(call remember,$(B)/flags/result1,$(TRAIN1)))
$(eval $(call remember,$(B)/flags/result2,$(TRAIN2)))

$(B)/result1/started: run_classifier.py $(SHARED) $(PRETRAINED) $(EXAMPLES) $(B)/flags/result1
$(B)/result2/started: $(B)/run_classifier.py $(B)/result1/eval_results.txt $(B)/flags/result2
$(B)/result1/started $(B)/result2/started:
	@rm -rf $(@D)
	@mkdir -p $(@D)
	@touch $@

result1: $(B)/result1/eval_results.txt  ## fine-tune and evaluate, with dropout
$(B)/result1/eval_results.txt: $(B)/result1/started | .tox/tf1.stamp
	$(TF1) run_classifier.py $(TRAIN1)

$(B)/run_classifier.py: run_classifier.py patches/disable-dropout.patch
	@mkdir -p $(@D)
	patch --output=$@ --reject-file=- $^

result2: $(B)/result2/eval_results.txt  ## fine-tune again without dropout, and evaluate
$(B)/result2/eval_results.txt: $(B)/result2/started | .tox/tf1.stamp
	$(TF1) $(B)/run_classifier.py $(TRAIN2)

CHECKPOINT = $(B)/result2/model.ckpt-$(STEPS2)

# Freeze the encoder, export the head, convert the encoder with the Model Optimizer.

pb: $(B)/bert-finetune.pb  ## freeze the encoder of result2
$(B)/bert-finetune.pb: $(B)/result2/eval_results.txt ckpt_to_pb.py $(SHARED)
	$(TF1) ckpt_to_pb.py --init_checkpoint=$(CHECKPOINT) --output_file=$@

fc: $(B)/weight.npy $(B)/bias.npy  ## export the classifier head of result2
$(B)/weight.npy $(B)/bias.npy &: $(B)/result2/eval_results.txt export_fc.py $(SHARED)
	$(TF1) export_fc.py --init_checkpoint=$(CHECKPOINT) --output_dir=$(B)

SHAPE = [1,$(MAX_SEQ_LENGTH)]
# CI=true keeps mo from sending usage statistics.
ir: $(B)/bert-finetune.xml $(B)/bert-finetune.bin  ## convert the encoder to OpenVINO's IR
$(B)/bert-finetune.xml $(B)/bert-finetune.bin &: $(B)/bert-finetune.pb | .tox/openvino.stamp
	CI=true $(OPENVINO) -m openvino.tools.mo --input_model $< \
	  --input IteratorGetNext:0{i32},IteratorGetNext:1{i32},IteratorGetNext:3{i32} \
	  --input_shape $(SHAPE),$(SHAPE),$(SHAPE) --output bert/pooler/dense/Tanh \
	  --compress_to_fp16=False --output_dir $(B)/ir.part > $(B)/mo.log 2>&1 \
	  || { echo "$<: mo cannot convert it: see $(B)/mo.log, or remove it and make pb again" >&2; exit 1; }
	@mv $(B)/ir.part/bert-finetune.bin $(B)/ir.part/bert-finetune.xml $(B) && rm -r $(B)/ir.part

# Predict the same reviews with TensorFlow and with OpenVINO, and compare.

$(eval $(call remember,$(B)/flags/predict,$(REVIEWS)))
$(B)/predict/reviews.txt: $(REVIEWS) $(B)/flags/predict
	@mkdir -p $(@D)
	@cp $< $@
$(B)/heldout/reviews.txt: $(B)/reviews/heldout.txt
	@mkdir -p $(@D)
	@cp $< $@

TENSORFLOW = $(B)/predict/tensorflow/test_results.tsv $(B)/heldout/tensorflow/test_results.tsv
$(TENSORFLOW): $(B)/%/tensorflow/test_results.tsv: $(B)/%/reviews.txt $(B)/result2/eval_results.txt run_classifier_predict.py
	$(TF1) run_classifier_predict.py --do_train=false --do_eval=false --do_predict=true $(MODEL) \
	  --init_checkpoint=$(CHECKPOINT) --predict_file=$< --output_dir=$(@D)

$(eval $(call remember,$(B)/flags/device,$(DEVICE)))
$(B)/predict/openvino.txt $(B)/heldout/openvino.txt: $(B)/%/openvino.txt: $(B)/%/reviews.txt $(B)/%/tensorflow/test_results.tsv $(B)/bert-finetune.xml $(B)/weight.npy \
		$(wildcard infer/*.py) $(B)/flags/device | .tox/openvino.stamp
	@$(OPENVINO) -m infer -m $(B)/bert-finetune.xml -d $(DEVICE) -f $< \
	  --reference $(B)/$*/tensorflow/test_results.tsv > $@.part && mv $@.part $@

predict: $(B)/predict/openvino.txt  ## predict four reviews, or those in REVIEWS=file, with OpenVINO
	@cat $<
heldout: $(B)/heldout/openvino.txt  ## compare OpenVINO with TensorFlow on 500 held-out reviews
	@tail -n 1 $<

WHEELS = $(DOWNLOADS)/$(WEIGHTS_ARCHIVE) $(DOWNLOADS)/$(REVIEWS_ARCHIVE)
test: .tox/tf1.stamp .tox/openvino.stamp .tox/lint.stamp $(WHEELS)  ## run the tests in both environments
	@$(TOOLS) -m tox run --quiet -e lint,tf1,openvino

clean:  ## remove what the profile built, not downloads or environments
	rm -rf $(B)
