# Fine-tunes BERT on movie reviews, twice, freezes it, converts it with OpenVINO and predicts: files all the way.
#   make predict                             everything, on the default profile
#   make predict PROFILE=multilingual        the guide's own weights and reviews
#   make ir CHECKPOINT=path/model.ckpt-468   from a checkpoint made elsewhere, or PB= from a frozen graph
#   make status                              what is made, what would be made again, and why
# Any variable of a profile can be given too, e.g. TRAIN_SIZE=2000. A stage is made again when its command, or the
# content of a file that it reads, is not what its record says: mk/stages.mk tells how.

ifeq ($(filter grouped-target,$(.FEATURES)),)
$(error GNU Make 4.3 or newer is needed, this is $(MAKE_VERSION))
endif

## PROFILE: weights, reviews and parameters, a file of profiles/
PROFILE ?= minilm
## BUILD: the folder of all that is made
BUILD = build
## DATA_DIR: your own texts, a folder of train/LABEL/*.txt and test/LABEL/*.txt; or TRAIN=, a file of them
DATA_DIR =
## REVIEWS: reviews to predict, one a line, UTF-8
REVIEWS = infer/reviews.txt
## HUB_MODULE: fine-tune from a TF Hub module, by folder or URL, instead of a checkpoint; empty for the checkpoint
HUB_MODULE =
## CHECKPOINT: start pb, fc, ir, predict, classifier and what follows from path/model.ckpt-N, or a Hugging Face folder
CHECKPOINT =
## META_GRAPH: another .meta of the same model to freeze CHECKPOINT's weights in, such as one without dropout
META_GRAPH =
## PB: start ir from this frozen graph
PB =
## CONVERTER: mo, or frontend for OpenVINO's TensorFlow frontend
CONVERTER = mo
## DEVICE: the OpenVINO device
DEVICE = CPU
## RANDOM_SEED: of the sample, the new weights, the order of batches and dropout
RANDOM_SEED = 0
## DETERMINISTIC: 1 for one thread: two runs are the same to the last bit
DETERMINISTIC =
## WORKERS: so many processes share the fine-tuning
WORKERS = 1
## HOSTS: where they run, host:workers,host:workers
HOSTS =

include mk/options.mk mk/environments.mk mk/stages.mk mk/inputs.mk

# The guide's seven stages, in its order.

# 1. Fine-tune with dropout, and evaluate.
RESULT1 = $(OUT)/result1/model.ckpt-$(STEPS)
result1: $(RESULT1).index  ## fine-tune and evaluate, with dropout
result1.command = $(TRAIN_PYTHON) run_classifier.py \
	--do_train=true \
	--do_eval=true \
	--data_dir=$(OUT)/features \
	$(MODEL) \
	$(INIT_CHECKPOINT:%=--init_checkpoint=%) \
	--max_seq_length=$(MAX_SEQ_LENGTH) \
	--train_batch_size=$(TRAIN_BATCH_SIZE) \
	--learning_rate=$(LEARNING_RATE) \
	--num_train_epochs=$(EPOCHS) \
	$(TRAIN_FLAGS) \
	--output_dir=$(OUT)/result1
$(RESULT1).index $(OUT)/result1/eval_results.txt &: run_classifier.py $(FEATURES) $(MODEL_FILES) \
		$(INIT_CHECKPOINT:%=%.index) FORCE | .tox/$(TRAIN_ENVIRONMENT).stamp
	$(call stage,result1)

# 2. Fine-tune again: the same with is_training = False, and so without dropout.
RESULT2 = $(OUT)/result2/model.ckpt-$(STEPS2)
result2: $(RESULT2).index  ## fine-tune again without dropout, and evaluate
result2.command = $(TRAIN_PYTHON) $(OUT)/run_classifier.py \
	--do_train=true \
	--do_eval=true \
	--data_dir=$(OUT)/features \
	$(MODEL) \
	--init_checkpoint=$(RESULT1) \
	--max_seq_length=$(MAX_SEQ_LENGTH) \
	--train_batch_size=$(TRAIN_BATCH_SIZE) \
	--learning_rate=$(LEARNING_RATE2) \
	--num_train_epochs=$(EPOCHS2) \
	$(TRAIN_FLAGS) \
	--output_dir=$(OUT)/result2
$(RESULT2).index $(OUT)/result2/eval_results.txt &: $(RESULT1).index $(OUT)/run_classifier.py $(FEATURES) \
		$(MODEL_FILES) FORCE | .tox/$(TRAIN_ENVIRONMENT).stamp
	$(call stage,result2)
patch.command = patch --output=- --reject-file=- run_classifier.py patches/disable-dropout.patch > $@
$(OUT)/run_classifier.py: run_classifier.py patches/disable-dropout.patch FORCE | .tox/tools.stamp
	$(call stage,patch)

# 3. Predict with TensorFlow.
FINE_TUNED = $(or $(TRANSLATED),$(CHECKPOINT),$(RESULT2))
FROZEN = $(or $(PB),$(OUT)/bert-finetune.pb)
TENSORFLOW = $(PREDICTIONS)/tensorflow/test_results.tsv
tensorflow.command = $(TF1) run_classifier_predict.py \
	--do_train=false \
	--do_eval=false \
	--do_predict=true \
	$(MODEL) \
	--max_seq_length=$(LENGTH) \
	--init_checkpoint=$(FINE_TUNED) \
	--predict_file=$(REVIEWS) \
	--output_dir=$(PREDICTIONS)/tensorflow
$(TENSORFLOW): run_classifier_predict.py $(FINE_TUNED).index $(MODEL_FILES) $(REVIEWS) $(if $(CHECKPOINT),$(FROZEN)) \
		FORCE | .tox/tf1.stamp $(if $(CHECKPOINT),.tox/openvino.stamp)
	$(call stage,tensorflow)

# 4. Freeze the encoder, up to the pooler.
pb: $(FROZEN)  ## freeze the encoder of result2, or of CHECKPOINT=
pb.command = $(TF1) ckpt_to_pb.py \
	--init_checkpoint=$(FINE_TUNED) \
	$(META_GRAPH:%=--meta_graph=%) $(GRAPH_FLAGS) \
	--output_file=$(OUT)/bert-finetune.pb
$(OUT)/bert-finetune.pb: ckpt_to_pb.py $(FINE_TUNED).index $(META_GRAPH) $(GRAPH_CONFIG) FORCE | .tox/tf1.stamp
	$(call stage,pb)

# 5. Export the classifier head.
HEAD = $(addprefix $(OUT)/,weight.npy bias.npy labels.txt)
fc: $(HEAD)  ## export the classifier head of result2, or of CHECKPOINT=
fc.command = $(TF1) export_fc.py --init_checkpoint=$(FINE_TUNED) --output_dir=$(OUT)
$(HEAD) &: export_fc.py $(FINE_TUNED).index FORCE | .tox/tf1.stamp
	$(call stage,fc)

# 6. Convert the encoder with the Model Optimizer. CI=true keeps it from sending usage statistics.
IR = $(OUT)/bert-finetune.xml $(OUT)/bert-finetune.bin
ir: $(IR)  ## convert the encoder, or that in PB=, to OpenVINO's IR
mo.command = env CI=true $(OPENVINO) -m openvino.tools.mo \
	--input_model $(FROZEN) \
	--model_name bert-finetune \
	--input IteratorGetNext:0{i32},IteratorGetNext:1{i32},IteratorGetNext:3{i32} \
	--input_shape [1,$(LENGTH)],[1,$(LENGTH)],[1,$(LENGTH)] \
	--output bert/pooler/dense/Tanh \
	--compress_to_fp16=False \
	--output_dir $(OUT)/ir.part > $(OUT)/mo.log 2>&1
$(IR) &: $(FROZEN) FORCE | .tox/$(CONVERTER_ENVIRONMENT).stamp
	$(call stage,ir)

# 7. Predict with OpenVINO, and compare with TensorFlow.
predict: $(PREDICTIONS)/openvino.txt  ## predict four reviews, or those in REVIEWS=file, with OpenVINO
	@$(show) $<
openvino.command = $(OPENVINO) -m infer -m $(OUT)/bert-finetune.xml -d $(DEVICE) -f $(REVIEWS) \
	--vocab_file $(VOCAB_FILE) --reference $(TENSORFLOW) > $@
$(PREDICTIONS)/openvino.txt: $(TENSORFLOW) $(IR) $(HEAD) $(VOCAB_FILE) $(REVIEWS) FORCE | .tox/openvino.stamp
	$(call stage,openvino)

include mk/ship.mk mk/serve.mk mk/study.mk mk/proof.mk mk/old_stack.mk mk/bench.mk mk/supply.mk mk/tests.mk mk/checks.mk
