# What a user gives is checked before anything long, and before anything older goes.

# A variable that no file knows is a misspelt one. Of those that have a line in make help, the nearest is named.
assigned = $(shell sed -nE 's/^$(1)([A-Z][A-Z0-9_]*) *[:?]?=.*/\2/p' Makefile mk/*.mk profiles/*.mk | sort -u)
EXPORTED := $(call assigned,(export ))
KNOWN := $(call assigned,(export |override )?)
# Nor does one that happens to be in the shell by its name reach a command, or Make would work it out for each.
unexport $(filter-out $(TAKEN_FROM_SHELL) $(EXPORTED),$(KNOWN))
UNKNOWN := $(firstword $(filter-out MAKE_LOCKED MAKE_COUNTED $(KNOWN),$(COMMAND_LINE)))
NEAREST = import difflib, sys; print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1, 0.5))
nearest = $(shell python3 -c '$(NEAREST)' $(1) $(shell sed -nE 's/^## ([A-Z0-9_]+): .*/\1/p' \
	Makefile mk/*.mk profiles/minilm.mk) 2> /dev/null)
$(if $(UNKNOWN),$(error $(UNKNOWN)=: there is no such variable: $(or $(patsubst %,did you mean %=?,\
	$(call nearest,$(UNKNOWN))),`make help` lists them)))

COUNTS = TRAIN_SIZE TEST_SIZE MAX_SEQ_LENGTH TRAIN_BATCH_SIZE SAVE_CHECKPOINTS_STEPS \
	BENCH_REVIEWS BENCH_REPEATS BENCH_ROWS BENCH_LENGTH BENCH_SOAK WORKERS $(if $(REPLICAS),REPLICAS)
NUMBERS = EPOCHS EPOCHS2 LEARNING_RATE LEARNING_RATE2 MAX_DROP
# $(call wrong,NAMES,PATTERN) is NAME=VALUE of the first that is not both such and positive.
wrong = $(shell printf '%s\n' $(foreach name,$(1),'$(name)=$($(name))') \
	| awk -F= '$$2 !~ /^$(2)$$/ || $$2 <= 0 { print; exit }')
$(foreach given,$(call wrong,$(COUNTS),[0-9]+),$(error $(given): must be a positive whole number))
$(foreach given,$(call wrong,$(NUMBERS),[0-9]*\.?[0-9]+(\.|e-?[0-9]+)?),$(error $(given): must be a positive number))
$(if $(filter 0,$(STEPS) $(STEPS2)),\
	$(error $(TRAIN_COUNT) reviews make no step of TRAIN_BATCH_SIZE=$(TRAIN_BATCH_SIZE)))
$(if $(shell [ $$(($(TRAIN_BATCH_SIZE) % $(WORKERS))) = 0 ] && echo fits),,\
	$(error WORKERS=$(WORKERS): can't share TRAIN_BATCH_SIZE=$(TRAIN_BATCH_SIZE) equally))
$(if $(HOSTS),$(if $(filter-out 1,$(WORKERS)),,$(error HOSTS=$(HOSTS): add WORKERS=, the number of processes in all)))
$(foreach seed,$(shell printf '%s\n' $(foreach seed,$(or $(RANDOM_SEED),none) $(SEEDS),'$(seed)') \
	| awk '!/^[0-9]+$$/ { print; exit }'),$(error seed '$(seed)': must be a whole number))
$(foreach name,BUILD REVIEWS DEVICE HOST,$(if $($(name)),,$(error $(name)= is empty: leave it out for the default)))
$(if $(filter mo frontend,$(CONVERTER)),,$(error CONVERTER='$(CONVERTER)': choose mo or frontend))
OWN_BERT = $(filter VOCAB_FILE BERT_CONFIG_FILE,$(COMMAND_LINE))
$(if $(and $(HUB_MODULE),$(OWN_BERT)),\
	$(error $(OWN_BERT): HUB_MODULE=$(call named,$(HUB_MODULE)) has its own: add HUB_MODULE=))
$(if $(and $(FOLDER),$(HUB_MODULE)$(OWN_BERT)),\
	$(error $(strip $(filter HUB_MODULE,$(COMMAND_LINE)) $(OWN_BERT)): $(call named,$(CHECKPOINT)) has its own))
$(if $(filter-out 0 1,$(DO_LOWER_CASE)),$(error DO_LOWER_CASE='$(DO_LOWER_CASE)': choose 1 or 0))
$(if $(and $(DO_LOWER_CASE),$(HUB_MODULE)),$(error DO_LOWER_CASE=$(DO_LOWER_CASE): \
	HUB_MODULE=$(call named,$(HUB_MODULE)) has its own casing: add HUB_MODULE=))
READ = DATA_DIR TRAIN TEST REVIEWS CHECKPOINT META_GRAPH PB CHECKSUMS TOKEN_FILE WEIGHTS_CONFIG $(OWN_BERT)
$(foreach name,$(patsubst VOCAB_FILE,VOCABULARY,$(filter-out CHECKPOINT,$(READ))),\
	$(foreach path,$($(name)),$(if $(call there,$(path)),,\
	$(error $(call named,$(path)): no such file or folder))))
missing = $(shell $(inputs); for path; do [ -e "$$path" ] || { printf '%s' "$$path"; exit; }; done)
$(if $(INPUT),$(if $(missing),$(error $(missing): no such file or folder)))
$(if $(FROM),$(if $(filter-out reproduce verify .tox/% $(BUILD)/%,$(if $(ALONE),,$(MAKECMDGOALS))),\
	$(error FROM=$(call named,$(FROM)): is for make reproduce and make verify: leave it out))$(if $(ALONE),,\
	$(if $(call there,$(FROM)),,$(error FROM=$(call named,$(FROM)): no such folder or bundle))))
$(if $(STAGES),$(if $(filter-out reproduce .tox/% $(BUILD)/%,$(if $(ALONE),,$(MAKECMDGOALS))),\
	$(error STAGES=$(STAGES): is for make reproduce: leave it out)))
# As predict reads them, which is after all the rest. Where there is no python3, that finds it out.
READ_LINES = import sys; from infer.text.examples import read_lines; read_lines(sys.argv[1])
UNREADABLE := $(if $(filter-out infer/reviews.txt $(OUT)/reviews/heldout.txt,$(REVIEWS)),$(shell \
	if [ -p $(call in-shell,$(REVIEWS)) ]; \
	then printf '%s: a pipe, and it is read more than once: give a file' $(call in-shell,$(REVIEWS)); \
	elif command -v python3 > /dev/null; then python3 -B -c '$(READ_LINES)' $(call in-shell,$(REVIEWS)) 2>&1; fi))
$(if $(UNREADABLE),$(error REVIEWS=$(UNREADABLE)))
$(foreach name,CHECKPOINT HUB_MODULE,$(foreach character,* ? [ \,$(if $(findstring ://,$(call named,$($(name)))),,\
	$(if $(findstring $(character),$(call named,$($(name)))),\
	$(error $(name)=$(call named,$($(name))): TensorFlow takes $(character) for a pattern: copy it to another name)))))
$(if $(DATA_DIR),$(if $(call there,$(DATA_DIR),/.),,\
	$(error DATA_DIR=$(call named,$(DATA_DIR)): is a file: TRAIN= takes it, with TEST= or TEST_SHARE=0.2)))
$(if $(and $(TRAIN),$(DATA_DIR)),$(error TRAIN= and DATA_DIR=: give one of them))
$(if $(and $(TEST),$(TEST_SHARE)),$(error TEST= and TEST_SHARE=: give one of them))
$(if $(TEST),$(if $(TRAIN),,$(error TEST=$(call named,$(TEST)): add TRAIN=, a file to train on)))
$(if $(TRAIN),$(if $(TEST)$(TEST_SHARE),,\
	$(error TRAIN=$(call named,$(TRAIN)): add TEST=, a file to evaluate on, or TEST_SHARE=0.2)))
$(foreach name,LABELS TEST_SHARE $(if $(LABELLED)$(filter evaluate,$(MAKECMDGOALS)),,LABEL_COLUMN),$(if $($(name)),$(if $(OWN),,\
	$(error $(name)=$(call named,$($(name))): is for texts of your own: add TRAIN= or DATA_DIR=))))
$(if $(and $(DATA_DIR),$(LABEL_COLUMN)),$(if $(LABELLED)$(filter evaluate,$(MAKECMDGOALS)),,\
	$(error LABEL_COLUMN=$(call named,$(LABEL_COLUMN)): the labels of DATA_DIR= are its folders: leave it out)))
$(if $(TEST_SHARE),$(if $(shell awk 'BEGIN { exit !("$(TEST_SHARE)" ~ /^0?\.[0-9]+$$/ && "$(TEST_SHARE)" + 0 > 0) }' \
	2> /dev/null && echo share),,$(error TEST_SHARE=$(TEST_SHARE): must be more than 0 and less than 1, such as 0.2)))
comma = ,
$(if $(filter mo,$(CONVERTER)),$(if $(findstring $(comma),$(call named,$(PB))),\
	$(error PB=$(call named,$(PB)): mo takes it for two at the comma: copy it to another name)))
$(if $(CHECKPOINT),$(if $(FOLDER)$(call there,$(CHECKPOINT),.index),,$(error $(call named,$(CHECKPOINT)).index: \
	no such file: CHECKPOINT= takes a path up to model.ckpt-N, or a folder that transformers saved)))
$(if $(FOLDER),$(if $(call there,$(CHECKPOINT),/config.json),,$(error $(call named,$(CHECKPOINT)): no config.json \
	in it: CHECKPOINT= takes a path up to model.ckpt-N, or a folder that transformers saved)))
$(if $(FOLDER),$(if $(strip $(foreach end,.safetensors .safetensors.index.json,$(call there,$(CHECKPOINT),/model$(end)))),,\
	$(error $(call named,$(CHECKPOINT)): no model.safetensors in it: save the model with safe_serialization=True)))
no-graph = $(if $(NO_GRAPH),$(if $(FOLDER)$(1),,$(error $(call named,$(CHECKPOINT)).meta: no such file: add $(2))))
$(call no-graph,$(OWN_BERT:VOCAB_FILE=)$(filter @given/%,$(BERT_CONFIG_FILE)),BERT_CONFIG_FILE=$(comma) or copy bert_config.json beside it)
$(call no-graph,$(filter MAX_SEQ_LENGTH,$(COMMAND_LINE))$(shell grep -ls model_max_length \
	$(call quote,$(BESIDE)/tokenizer_config.json)),MAX_SEQ_LENGTH=$(comma) as it was trained with)
$(foreach module,$(filter-out $(BUILD)/$(PROFILE)/hub-module,$(HUB_MODULE)),\
	$(if $(findstring ://,$(call named,$(module))),,$(if $(call there,$(module),/.),,\
	$(error $(call named,$(module)): no such folder: give the folder of a TF Hub module, or its URL))))
$(if $(PB),$(if $(CHECKPOINT),,$(foreach goal,\
	$(filter fc predict heldout classifier int8 huggingface onnx score evaluate by-length old-stack bench bench-serve \
	serve,$(MAKECMDGOALS)),\
	$(error make $(goal): a .pb holds no classifier head: add CHECKPOINT=))))
$(if $(CHECKPOINT)$(PB),$(foreach goal,$(filter result1 result2 ablation compare tensorboard,$(MAKECMDGOALS)),\
	$(error make $(goal) is about the phases of a run of one's own: leave out CHECKPOINT= and PB=)))
$(if $(BUILDS),$(if $(filter-out compare,$(MAKECMDGOALS)),$(error BUILDS=: is of make compare alone: leave it out)))
$(foreach build,$(BUILDS),$(if $(wildcard $(build)/.),,$(error BUILDS=: $(build): no such folder: give folders that make \
	made$(comma) such as build/minilm)))
$(if $(META_GRAPH),$(if $(CHECKPOINT),,\
	$(error META_GRAPH=$(call named,$(META_GRAPH)): add CHECKPOINT=, whose weights it is for)))
$(if $(MIRROR),$(if $(filter http://% https://%,$(call named,$(MIRROR)))$(call there,$(MIRROR),/.),,\
	$(error MIRROR=$(call named,$(MIRROR)): no such folder: give one, or an URL with http:// or https://)))
$(if $(and $(MIRROR),$(OFFLINE)),\
	$(error MIRROR=$(call named,$(MIRROR)) and OFFLINE=1: one fetches and the other forbids it: give one))
$(if $(OFFLINE),$(foreach goal,$(filter lock lock-% audit,$(MAKECMDGOALS)),\
	$(error make $(goal) asks the package index: leave out OFFLINE=1)))
HOSTS_OF_SOURCES = $(strip $(foreach source,$(WEIGHTS) $(REVIEWS_FROM),$(if $(findstring ://,$(source)),\
	$(call host,$(source)))))
$(if $(SOURCE),$(if $(findstring $(SOURCE),$(HOSTS_OF_SOURCES)),,$(error SOURCE=$(SOURCE): PROFILE=$(PROFILE) has none \
	such: $(if $(HOSTS_OF_SOURCES),choose one of $(sort $(HOSTS_OF_SOURCES)),leave it out))))
$(foreach goal,$(filter sources,$(MAKECMDGOALS)),$(if $(word 2,$(WEIGHTS_ARCHIVE))$(word 2,$(REVIEWS_ARCHIVE)),,\
	$(error make $(goal): PROFILE=$(PROFILE) has one source of each: there is nothing to compare)))
# $(call misnamed,NAME,PATTERN) is the first of INPUT or OUTPUT whose extension is not such, a folder apart.
misnamed = $(shell $(if $(filter INPUT,$(1)),$(inputs),set -- $(call in-shell,$($(1)))); for path; do \
	[ -d "$$path" ] || printf '%s\n' "$$path"; done | grep -viE '\.$(2)$$' | head -n 1)
FORMATS = ((csv|tsv|jsonl|ndjson|json|txt)(\.(gz|bz2|zst))?|parquet)
LISTED = .csv .tsv .jsonl .ndjson .json .txt, also with .gz .bz2 or .zst after it, or .parquet
$(foreach goal,$(filter evaluate,$(MAKECMDGOALS)),$(if $(INPUT),,\
	$(error make evaluate: what to read is missing: add INPUT=labelled.csv)))
$(foreach goal,$(filter score,$(MAKECMDGOALS)),$(foreach name,INPUT OUTPUT,$(if $($(name)),\
	$(if $(call misnamed,$(name),$(FORMATS)),\
	$(error $(name)=$(call misnamed,$(name),$(FORMATS)): must end with one of $(LISTED))),\
	$(error make score: what to read and what to write are missing: add INPUT=reviews.csv OUTPUT=scored.csv)))\
	$(if $(shell test -d "$$(dirname $(call in-shell,$(OUTPUT)))" && echo there),,\
	$(error OUTPUT=$(call named,$(OUTPUT)): no such folder: make it first)))
$(if $(filter-out comma semicolon tab pipe,$(DELIMITER)),\
	$(error DELIMITER='$(DELIMITER)': choose comma, semicolon, tab or pipe))
$(if $(filter-out doubled backslash none,$(QUOTES)),$(error QUOTES='$(QUOTES)': choose doubled, backslash or none))
$(if $(filter-out fp32 bf16 int8 auto,$(if $(filter score evaluate,$(MAKECMDGOALS)),$(PRECISION),$(subst $(comma), ,$(PRECISION)))),\
	$(error PRECISION='$(PRECISION)': choose fp32, bf16, int8 or auto))
$(if $(filter-out 0 1,$(TOKENIZER)),$(error TOKENIZER='$(TOKENIZER)': choose 1 or 0))
$(if $(LABELLED),$(if $(call there,$(LABELLED)),,$(error CALIBRATE=$(call named,$(LABELLED)): no such file: give 1 for \
	reviews that were kept from training$(comma) or a file of texts with labels)))
$(if $(CALIBRATED),$(foreach goal,$(if $(ALONE)$(STATUS),,$(filter predict heldout bench,$(MAKECMDGOALS))),\
	$(error make $(goal) is about the probabilities that the guide's way has$(comma) uncalibrated: leave out CALIBRATE=)))
CALIBRATES = classifier int8 huggingface onnx score evaluate by-length serve serve-needs bench-serve
$(if $(CALIBRATED),$(if $(LABELLED)$(ALONE),,\
	$(if $(and $(CHECKPOINT),$(filter $(CALIBRATES),$(MAKECMDGOALS))),$(error CALIBRATE=1: what CHECKPOINT= was trained on \
	is not known here: give a file of other texts with labels$(comma) CALIBRATE=labelled.csv))\
	$(if $(OWN),$(if $(CHECKPOINT)$(filter TRAIN_SIZE,$(SIZES)),,$(error CALIBRATE=1: all texts are trained on: add \
	TRAIN_SIZE=$(comma) fewer than there are$(comma) or give a file of others with labels$(comma) CALIBRATE=labelled.csv)))))
$(if $(filter-out cut head_tail windows,$(LONG)),$(error LONG='$(LONG)': choose cut, head_tail or windows))
$(if $(LONG),$(foreach goal,$(filter predict heldout,$(MAKECMDGOALS)),\
	$(error make $(goal) predicts as the guide does$(comma) which cuts: leave out LONG=$(comma) or make score or evaluate)))
$(if $(filter-out local ray,$(ENGINE)),$(error ENGINE='$(ENGINE)': choose local or ray))
$(if $(RAY_ADDRESS),$(if $(filter ray,$(ENGINE)),,$(error RAY_ADDRESS=$(RAY_ADDRESS): add ENGINE=ray, or leave it out))\
	$(if $(shell printf '%s' '$(subst ','\'',$(RAY_ADDRESS))' | grep -xE '[A-Za-z0-9._-]+:[0-9]{1,5}'),,\
	$(error RAY_ADDRESS='$(RAY_ADDRESS)': must be HOST:PORT, such as 10.0.0.1:6379)))
$(if $(filter ray,$(ENGINE)),$(foreach name,INPUT OUTPUT,$(if $(call misnamed,$(name),(jsonl|ndjson|parquet)),\
	$(error $(name)=$(call misnamed,$(name),(jsonl|ndjson|parquet)): ENGINE=ray takes .jsonl and .parquet: leave it out, \
	or convert the file))))
$(if $(REPLICAS),$(if $(filter ray,$(ENGINE)),,$(error REPLICAS=$(REPLICAS): add ENGINE=ray, or leave it out)))
$(if $(filter PORT,$(COMMAND_LINE)),$(if $(shell printf '%s' '$(PORT)' | grep -xE '[0-9]+'),,\
	$(error PORT='$(PORT)': must be a whole number, such as 8080)))
$(if $(filter serve,$(MAKECMDGOALS)),$(if $(TOKEN_FILE)$(filter-out 0,$(INSECURE)),,\
	$(if $(filter-out 127.% localhost ::1,$(HOST)),$(error HOST=$(HOST): others can reach it: add TOKEN_FILE=, or \
	INSECURE=1 if they may all use it))))
$(if $(filter bench,$(MAKECMDGOALS)),$(if $(shell [ $(MAX_SEQ_LENGTH) -le $(BENCH_LENGTH) ] && echo fits),,\
	$(error BENCH_LENGTH=$(BENCH_LENGTH): must not be less than MAX_SEQ_LENGTH=$(MAX_SEQ_LENGTH))))
