# How a stage is made, and when: when its command, the content of a file that it reads or made, or the pins of its
# environment are not as its record has them. Make's prerequisites say what it reads, and in which order; their times
# say nothing.
#   NAME.command  what it runs, written here alone, without quotes; FILE.part/ in it is a scratch folder, and what lands
#                 there is moved to the outputs once all is whole
#   NAME.makes    what it makes, if that is more than the target
#   NAME.reads    what it reads beside its prerequisites
#   NAME.record   the record, if not $(OUT)/NAME.record.json;  NAME.goal, if not NAME: what to give to make for it
#   NAME.flags    of mk/stage.py
# A rule names what NAME.command reads and FORCE, and its recipe is $(call stage,NAME), or $(call stage,NAME,CHECK &&).

SHELL = /bin/bash
.SHELLFLAGS = -o pipefail -c
.PHONY: FORCE
export PYTHONPATH = .:mk
export PYTHONWARNINGS = ignore
export PYTHONUTF8 = 1
export TF_CPP_MIN_LOG_LEVEL = 3
export SHA256_CACHE = $(BUILD)/.sha256.sqlite

# It takes Ctrl-C once its own Python has started, which would end in a traceback before.
recorder = $(without) --block-signal=INT $(foreach name,$(filter GIVEN_%,$(.VARIABLES)),\
	$(name)=$(call quote,$(value $(name)))) PYTHONPATH=.:mk SHA256_CACHE=$(BUILD)/.sha256.sqlite $(TOOLS) mk/stage.py
record-of = $(or $($(1).record),$(OUT)/$(1).record.json)
made-by = --record=$(record-of) --goal=$(or $($(1).goal),$(1)) \
	--command='$(strip $($(1).command))' \
	--input $(filter-out FORCE,$^) $(pins-of-stage) $($(1).reads) --output $(or $($(1).makes),$@)
pins-of-stage = $(foreach environment,$(patsubst .tox/%.stamp,%,$(filter .tox/%.stamp,$|)),$(call pins,$(environment)))
stage = $(if $(ALONE),$(call alone,$(1),$(2)),$(call unless-recorded,$(1),$(2),$(call check,$(1))))
unless-recorded = $(if $(findstring <as recorded>,<$(3)>),,\
	$(if $(DRY_RUN),$(call plan,$(1))$(or $(3),$(strip $($(1).command))),\
	@$(2)$(recorder) run $(call made-by,$(1)) $($(1).flags)))

# What make reproduce asks of its copy of the checkout: to make one stage and no other, by its record, whatever there is;
# or, of every stage, to write its record, its environments and its command to a file.
ALONE =
STAGES_IN =
alone = $(if $(STAGES_IN),$(file >>$(STAGES_IN),$(record-of)|$(filter .tox/%,$|)|$(strip $($(1).command))),\
	$(if $(filter $(ALONE),$(record-of)),@$(2)$(recorder) run $(call made-by,$(1))))
show = $(if $(ALONE),:,cat)

# A dry run can't see what is made anew from what would be made anew, so it keeps a list.
DRY_RUN := $(findstring n,$(firstword -$(MAKEFLAGS)))
check = $(shell if [ -x $(TOOLS) ]; then $(recorder) check $(call made-by,$(1)) $(if $(DRY_RUN),\
	--planned $(PLANNED) --tell=$(if $(STATUS),all,stale)); $(if $(STATUS),else echo '$(1): not made yet' >&2; )fi)
plan = $(eval PLANNED += $@ $($(1).makes))
PLANNED =

# For a target that another Make makes: it is planned, too, if something that comes before it is.
plan-too = $(if $(filter $(PLANNED) $(PLANNED:%=%/%),$^ $|),$(eval PLANNED += $@))

# $(call make-again,FILE,ARGUMENTS) calls Make for what begins with FILE, unless that is only planned.
make-again = $(if $(and $(DRY_RUN),$(if $(ALONE)$(wildcard $(1)),,planned)),:,$(MAKE) --no-print-directory $(2))

# These goals use a trained model. Where there is one, they train no other because a variable was forgotten.
USERS = score evaluate serve-needs int8 huggingface onnx heldout ablation by-length compare tensorboard old-stack \
	bench bench-serve
USING := $(if $(filter-out $(USERS),$(MAKECMDGOALS)),,$(patsubst %-needs,%,$(firstword $(MAKECMDGOALS))))
TRAINED = $(wildcard $(foreach name,result2 classifier,$(BUILD)/$(PROFILE)/$(name).record.json \
	$(BUILD)/$(PROFILE)-*/$(name).record.json))
# What starts from a CHECKPOINT= trains nothing, if it takes a sample of reviews.
trains = $(if $(CHECKPOINT),,$(if $(USING),--user=$(USING) --trained $(TRAINED)))

# The whole pipeline in a dry run, for its words on the way.
STATUS =
PIPELINE = pretrained reviews features result1 result2 pb fc ir predict heldout classifier int8 huggingface onnx \
	ablation compare bench
SHORTER = pb fc ir predict classifier huggingface onnx
.PHONY: status
status:  ## what is as recorded, and what would be made, and why
	@$(MAKE) --no-print-directory --dry-run STATUS=yes $(if $(PB),ir,$(if $(CHECKPOINT),$(SHORTER),\
	  $(PIPELINE))) 2>&1 > /dev/null | awk '!seen[$$0]++'
