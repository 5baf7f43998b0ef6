# The profile, and what the seven stages' commands leave to variables: folders, the trainer, the converter, lengths.

ifeq ($(wildcard profiles/$(PROFILE).mk),)
$(error unknown profile '$(PROFILE)': choose one of $(basename $(notdir $(wildcard profiles/*.mk))))
endif
include profiles/$(PROFILE).mk
GIVEN := $(strip $(foreach name,DATA_DIR TRAIN HUB_MODULE CHECKPOINT PB,\
	$(if $($(name)),$(filter $(name),$(COMMAND_LINE)))))
override HUB_MODULE := $(patsubst %/,%,$(HUB_MODULE))
override DATA_DIR := $(patsubst %/,%,$(DATA_DIR))
override CHECKPOINT := $(patsubst %/,%,$(CHECKPOINT))
# What is there of a profile's modules is used, else the first is fetched, or if that fails the last made: inputs.mk.
MODULES := $(if $(filter HUB_MODULE,$(COMMAND_LINE)),,$(HUB_MODULE))
ifneq ($(word 2,$(MODULES)),)
override HUB_MODULE = $(firstword $(foreach module,$(MODULES),$(if $(call there,$(call module-folder,$(module))),\
	$(module))) $(MODULES))
endif
override OFFLINE := $(filter-out 0,$(OFFLINE))
override DETERMINISTIC := $(filter-out 0,$(DETERMINISTIC))

# What is made from something given lies apart from the profile's own run, and from what was made from another. Weights
# and the module that is exported from them are the profile's in any case.
PROFILE_OUT = $(BUILD)/$(PROFILE)
OUT_END := $(if $(GIVEN),$(shell printf -- '-%s' $(foreach name,$(GIVEN),$(call in-shell,$($(name)))) \
	| LC_ALL=C tr --complement A-Za-z0-9._+ - | tail --bytes=200 | sed 's/^[^-]/-/'))
OUT = $(PROFILE_OUT)$(OUT_END)
PREDICTIONS = $(OUT)/predict

# Of one's own texts all are taken, unless a size is given: how many, `make reviews` finds out first.
OWN := $(or $(TRAIN),$(DATA_DIR))
SIZES := $(filter TRAIN_SIZE TEST_SIZE,$(if $(OWN),$(COMMAND_LINE),TRAIN_SIZE TEST_SIZE))
TRAIN_COUNT := $(or $(if $(filter TRAIN_SIZE,$(SIZES)),,$(shell cat $(OUT)/reviews/train.jsonl 2> /dev/null \
	| awk 'END { if (NR) print NR }')),$(TRAIN_SIZE))

# A folder that transformers saved is translated first. What has no .meta gets its graph by its configuration, and its
# length by MAX_SEQ_LENGTH=, which changes the length of any other too.
FOLDER := $(if $(CHECKPOINT),$(if $(call there,$(CHECKPOINT),.index),,$(if $(call there,$(CHECKPOINT),/.),yes)))
TRANSLATED = $(if $(FOLDER),$(OUT)/checkpoint/model.ckpt)
$(if $(FOLDER),$(if $(filter HUB_MODULE,$(COMMAND_LINE)),,$(eval override HUB_MODULE :=)))
NO_GRAPH := $(if $(CHECKPOINT),$(if $(META_GRAPH)$(PB),,$(if $(call there,$(CHECKPOINT),.meta),,yes)))
GRAPH_CONFIG = $(if $(NO_GRAPH),$(BERT_CONFIG_FILE))
GRAPH_FLAGS = $(GRAPH_CONFIG:%=--bert_config_file=%) $(if $(META_GRAPH),,$(if $(CHECKPOINT),\
	$(if $(filter MAX_SEQ_LENGTH,$(COMMAND_LINE)),--max_seq_length=$(MAX_SEQ_LENGTH))))
pb.reads = $(if $(NO_GRAPH),$(BESIDE_TOKENIZER))

STEPS := $(shell awk 'BEGIN { print int($(TRAIN_COUNT) / $(TRAIN_BATCH_SIZE) * $(EPOCHS)) }' 2> /dev/null)
STEPS2 := $(shell awk 'BEGIN { print int($(TRAIN_COUNT) / $(TRAIN_BATCH_SIZE) * $(EPOCHS2)) }' 2> /dev/null)

# Several workers share every batch, on HOSTS or on this machine.
SEVERAL = $(filter-out 1,$(WORKERS))
TRAIN_ENVIRONMENT = $(if $(SEVERAL),tf1-horovod,tf1)
TRAIN_PYTHON = .tox/$(TRAIN_ENVIRONMENT)/bin/python $(if $(SEVERAL),-m tf1.launch --workers=$(WORKERS) \
	$(HOSTS:%=--hosts=%) --)
# Upstream evaluates in batches of 8, which leave cores idle; the size changes the rounding of the loss, and no answer.
TRAIN_FLAGS = --save_checkpoints_steps=$(SAVE_CHECKPOINTS_STEPS) --random_seed=$(RANDOM_SEED) --eval_batch_size=40

result1.makes = $(OUT)/result1
result2.makes = $(OUT)/result2
result1.reads = $(fetched-module) $(CASING)
result2.reads = $(fetched-module) $(CASING)
tensorflow.reads = $(fetched-module) $(CASING) $(LABEL_NAMES)
fc.reads = $(LABEL_NAMES)
result1.flags = --resumes --smaller TRAIN_BATCH_SIZE MAX_SEQ_LENGTH $(trains)
result2.flags = $(result1.flags)
patch.makes = $(OUT)/run_classifier.py
patch.goal = result2
patch.flags = $(trains)
fc.makes = $(HEAD)

# The length is the graph's own, where that comes from elsewhere.
LENGTH = $(if $(CHECKPOINT)$(PB),$(if $(and $(DRY_RUN),$(if $(call there,$(FROZEN)),,planned)),LENGTH,$(or \
	$(shell $(without) $(OPENVINO) -m infer.graph $(call in-shell,$(FROZEN))),\
	$(error $(call named,$(FROZEN)) has no length))),$(MAX_SEQ_LENGTH))
CONVERTER_ENVIRONMENT = $(if $(filter mo,$(CONVERTER)),openvino,openvino-current)
frontend.command = $(CURRENT) -m infer.convert encoder $(FROZEN) $(OUT)/ir.part/bert-finetune.xml
ir.command = $($(CONVERTER).command)
ir.makes = $(IR)

tensorflow.makes = $(PREDICTIONS)/tensorflow
tensorflow.record = $(PREDICTIONS)/tensorflow.record.json
tensorflow.goal = $(notdir $(PREDICTIONS))
openvino.record = $(PREDICTIONS)/openvino.record.json
openvino.makes = $(PREDICTIONS)/openvino.txt
openvino.reads = $(CASING)
openvino.goal = $(notdir $(PREDICTIONS))

.PHONY: result1 result2 pb fc ir predict
