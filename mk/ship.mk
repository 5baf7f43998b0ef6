# Inference to ship, on today's OpenVINO: one IR that is the classifier, and what is made of it.

## INPUT: of make score and evaluate: a .csv, .tsv, .jsonl, .json, .parquet or .txt, or .gz; several, or a folder
INPUT =
## OUTPUT: of make score: the file to write, in any of these formats
OUTPUT =
## TEXT_COLUMN: of INPUT, TRAIN, TEST and CALIBRATE: the column of the texts, if it is not called review, text or sentence
TEXT_COLUMN =
## ENCODING: of INPUT, TRAIN, TEST and CALIBRATE, if it is not UTF-8, such as cp1252 or utf-16
ENCODING =
## DELIMITER: of INPUT, TRAIN, TEST and CALIBRATE: comma, semicolon, tab or pipe, if that of a .csv or .tsv is not recognised
DELIMITER =
## QUOTES: of INPUT, TRAIN, TEST and CALIBRATE: in a quoted field a quote is doubled or after a backslash; none: they are text
QUOTES =
## NO_HEADER: of INPUT, TRAIN, TEST and CALIBRATE: 1 if the first line of a .csv or .tsv is a row
NO_HEADER =
## PRECISION: of make score, evaluate and serve: fp32, bf16, int8, or auto; serve takes several, with commas
PRECISION =
## ENGINE: of make score and serve: what computes, local or ray
ENGINE =
## LONG: of make score and evaluate: of texts longer than the model reads, cut, head_tail, or windows for all of them
LONG =
## RAY_ADDRESS: of ENGINE=ray: a Ray cluster, host:port, instead of a Ray of its own on this machine
RAY_ADDRESS =
## TOKENIZER: of make classifier: 1 for one that takes texts as well, in string/, for those with openvino-tokenizers
TOKENIZER =
## CALIBRATE: of the classifier and what is made of it: 1 for calibrated probabilities, or texts with labels for that
CALIBRATE =
CALIBRATED = $(filter-out <0> <>,<$(call named,$(CALIBRATE))>)
LABELLED = $(if $(filter-out <1>,$(CALIBRATED)),$(CALIBRATE))
TEMPERATURE = $(if $(CALIBRATED),$(OUT)/calibration/temperature.json)

CLASSIFIER = $(OUT)/classifier.xml $(OUT)/classifier.bin
STRING = $(addprefix $(OUT)/string/,classifier.xml classifier.bin)
classifier: $(CLASSIFIER) $(if $(filter-out 0,$(TOKENIZER)),$(STRING))  ## one IR: encoder, head, vocabulary, labels
	$(if $(CALIBRATED),@$(show) $(OUT)/calibration/results.txt)
classifier.command = $(CURRENT) -m infer.convert classifier $(FROZEN) $(OUT)/classifier.part/classifier.xml \
	--head_dir=$(OUT) --vocab_file=$(VOCAB_FILE) $(TEMPERATURE:%=--temperature=%)
classifier.makes = $(CLASSIFIER)
classifier.reads = $(CASING)
$(CLASSIFIER) &: $(FROZEN) $(HEAD) $(VOCAB_FILE) infer/probes.txt infer/reviews.txt $(TEMPERATURE) FORCE \
		| .tox/openvino-current.stamp
	$(call stage,classifier)

# Found on reviews that were kept from training, or in the file. The record quotes it.
CALIBRATION = $(addprefix $(OUT)/calibration/,temperature.json results.txt)
calibration.command = $(CURRENT) -m infer.calibrate $(FROZEN) $(OUT)/calibration.part --head_dir=$(OUT) \
	--vocab_file=$(VOCAB_FILE) --data_dir=$(OUT)/reviews \
	$(if $(LABELLED),--labelled=$(LABELLED) $(LABEL_COLUMN:%=--label_column=%) $(READING))
calibration.makes = $(CALIBRATION)
calibration.reads = $(CASING)
calibration.goal = 'classifier CALIBRATE=$(if $(LABELLED),FILE,1)'
calibration.flags = --quote=$(OUT)/calibration/temperature.json
$(CALIBRATION) &: $(FROZEN) $(HEAD) $(VOCAB_FILE) $(EXAMPLES) $(or $(LABELLED),$(KEPT)) FORCE \
		| .tox/openvino-current.stamp
	@mkdir -p $(OUT)/calibration
	$(call stage,calibration)

string.command = $(CURRENT) -m infer.in_graph $(OUT)/classifier.xml $(OUT)/string.part/classifier.xml
string.makes = $(STRING)
string.goal = 'classifier TOKENIZER=1'
$(STRING) &: $(CLASSIFIER) FORCE | .tox/openvino-current.stamp
	@mkdir -p $(OUT)/string
	$(call stage,string)

int8: $(OUT)/int8/classifier.xml  ## the same quantised to INT8 with NNCF, and what that costs and gains on this CPU
	@$(show) $(OUT)/int8/results.txt
INT8 = $(addprefix $(OUT)/int8/,classifier.xml classifier.bin results.txt)
int8.command = env CI=true $(CURRENT) -m infer.quantize $(OUT)/classifier.xml $(OUT)/int8.part/classifier.xml \
	--data_dir=$(OUT)/reviews --max_drop=$(MAX_DROP)
int8.makes = $(INT8)
$(INT8) &: $(CLASSIFIER) $(EXAMPLES) FORCE | .tox/openvino-current.stamp
	@mkdir -p $(OUT)/int8
	$(call stage,int8)

# The forms that others read. A card tells of the run; of a checkpoint made elsewhere, only of that. It quotes records,
# which hold times, so it is not made again for a record of the same content.
RUN_RECORDS = $(addprefix $(OUT)/,reviews.record.json result1.record.json result2.record.json) \
	$(if $(filter-out $(PROFILE_OUT)/hub-module,$(HUB_MODULE)),,$(PROFILE_OUT)/pretrained.record.json)
CARD_RECORDS = $(OUT)/fc.record.json $(if $(CHECKPOINT),,$(RUN_RECORDS))
CARD_FILES = $(if $(CHECKPOINT),,$(OUT)/result2/eval_results.txt $(EXAMPLES))
HUGGINGFACE = $(addprefix $(OUT)/huggingface/,README.md config.json model.safetensors tokenizer.json \
	tokenizer_config.json special_tokens_map.json vocab.txt openvino_model.xml openvino_model.bin)
huggingface: $(OUT)/huggingface/config.json  ## a folder for transformers, optimum and the Hub, with a model card
	@echo "$(OUT)/huggingface"
huggingface.command = $(CURRENT) -m export.huggingface $(OUT)/classifier.xml $(OUT)/huggingface.part --pb=$(FROZEN) \
	--name=bert-$(if $(CHECKPOINT),classifier,$(PROFILE)) --records $(CARD_RECORDS) \
	$(if $(CHECKPOINT),,--eval_dir=$(OUT)/result2 --reviews_dir=$(OUT)/reviews)
huggingface.makes = $(HUGGINGFACE)
huggingface.reads = $(if $(CHECKPOINT),,$(OUT)/result2/eval_by_label.txt)
$(HUGGINGFACE) &: $(CLASSIFIER) $(FROZEN) $(HEAD) $(CARD_FILES) FORCE | .tox/openvino-current.stamp
	@mkdir -p $(OUT)/huggingface
	$(call stage,huggingface)

onnx: $(OUT)/classifier.onnx  ## the same as one ONNX file, of any batch and length
	@echo $<
onnx.command = $(CURRENT) -m export.onnx $(OUT)/classifier.xml $(OUT)/onnx.part/classifier.onnx --pb=$(FROZEN)
$(OUT)/classifier.onnx: $(CLASSIFIER) $(FROZEN) $(HEAD) FORCE | .tox/openvino-current.stamp
	$(call stage,onnx)

# infer/ as a package, from pyproject.toml. The same files give the same wheel: their times do not count.
VERSION := $(shell sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)
WHEEL = $(BUILD)/wheel/bert_openvino_classifier-$(VERSION)-py3-none-any.whl
wheel: $(WHEEL)  ## infer/ as a wheel, for pip install: from infer import Classifier
	@echo $<
wheel.command = env SOURCE_DATE_EPOCH=315532800 .tox/wheel/bin/python -m flit_core.wheel --outdir $(BUILD)/wheel.part
wheel.record = $(BUILD)/wheel.record.json
$(WHEEL): pyproject.toml LICENSE $(sort $(wildcard infer/*.py infer/*.txt infer/*/*.py infer/*/*.html)) FORCE | .tox/wheel.stamp
	@mkdir -p $(@D)
	$(call stage,wheel)

# What is scored is the user's own, wherever it lies: no stage of the build, so it leaves no record.
# One file, whatever it is called, or several, or a pattern: the arguments of a shell.
inputs = set -- $(call in-shell,$(INPUT)); [ -e "$$1" ] || set -- $$1
READING = $(TEXT_COLUMN:%=--text_column=%) $(ENCODING:%=--encoding=%) $(DELIMITER:%=--delimiter=%) \
	$(QUOTES:%=--quotes=%) $(if $(filter-out 0,$(NO_HEADER)),--no_header)
reading = $(subst --text_column=$(TEXT_COLUMN),--text_column=$(call in-shell,$(TEXT_COLUMN)),$(READING))
COMPUTING = $(PRECISION:%=--precision=%) $(LONG:%=--long=%)
MODELS = $(CLASSIFIER) $(if $(filter int8,$(PRECISION)),$(INT8))
SCORER = $(if $(filter ray,$(ENGINE)),ray,openvino-current)
score: $(MODELS) | .tox/$(SCORER).stamp  ## score INPUT=reviews.csv into OUTPUT=scored.csv, or other formats
	@echo "scoring with $(OUT)/classifier.xml"
	@$(inputs); env --block-signal=INT STAGE=score .tox/$(SCORER)/bin/python -m infer score -m $(OUT)/classifier.xml \
	  -d $(call in-shell,$(DEVICE)) $(COMPUTING) $(ENGINE:%=--engine=%) $(RAY_ADDRESS:%=--ray_address=%) $(reading) \
	  "$$@" $(call in-shell,$(OUTPUT))

evaluate: $(MODELS) | .tox/openvino-current.stamp  ## measure it on INPUT=labelled.csv: by label, confusion matrix
	@echo "evaluating $(OUT)/classifier.xml"
	@$(inputs); env --block-signal=INT STAGE=evaluate $(CURRENT) -m infer evaluate -m $(OUT)/classifier.xml \
	  -d $(call in-shell,$(DEVICE)) $(COMPUTING) $(reading) \
	  $(if $(LABEL_COLUMN),--label_column=$(call in-shell,$(LABEL_COLUMN))) "$$@"

.PHONY: classifier int8 huggingface onnx wheel score evaluate
