# Inference to ship, on today's OpenVINO: one file that is the classifier, and what is made of it.

CLASSIFIER = $(B)/classifier.xml $(B)/classifier.bin
classifier: $(CLASSIFIER)  ## one IR of any batch and length: encoder, head, vocabulary, labels
$(CLASSIFIER) &: $(FROZEN) $(B)/weight.npy $(B)/bias.npy $(VOCAB_FILE) \
		$(addprefix infer/,bert.py classifier.py convert.py) \
		$(call changed,$(B)/classifier.record.json,$(FROZEN) $(VOCAB_FILE)) | .tox/openvino-current.stamp
	$(RUN) --record=$(B)/classifier.record.json --parameters='$(FROZEN) $(VOCAB_FILE)' --input $(filter-out FORCE,$^) \
	  --part=$(B)/classifier.part --output $(CLASSIFIER) -- \
	  $(CURRENT) -m infer.convert classifier $(FROZEN) $(B)/classifier.part/classifier.xml --head_dir=$(B) \
	  --vocab_file=$(VOCAB_FILE)

int8: $(B)/int8/classifier.xml  ## the same quantised to INT8 with NNCF, and what that costs and gains on this CPU
	@cat $(B)/int8/results.txt
INT8 = $(addprefix $(B)/int8/,classifier.xml classifier.bin results.txt)
$(INT8) &: $(CLASSIFIER) $(EXAMPLES) infer/quantize.py infer/classifier.py $(call changed,$(B)/int8.record.json) \
		| .tox/openvino-current.stamp
	@mkdir -p $(B)/int8
	$(RUN) --record=$(B)/int8.record.json --input $(filter-out FORCE,$^) --output $(INT8) --part=$(B)/int8.part -- \
	  env CI=true $(CURRENT) -m infer.quantize $(B)/classifier.xml $(B)/int8.part/classifier.xml --data_dir=$(B)/reviews

# What is scored is the user's own, wherever it lies: no stage of the build, so it leaves no record. It answers to Ctrl-C
# as stages do.
SCORER = $(if $(filter ray,$(ENGINE)),ray,openvino-current)
score: export COLUMN := $(value TEXT_COLUMN)
score: $(CLASSIFIER) | .tox/$(SCORER).stamp  ## score INPUT=reviews.csv into OUTPUT=scored.csv, or other formats
	@env --block-signal=INT STAGE=score .tox/$(SCORER)/bin/python -m infer score -m $(B)/classifier.xml -d $(DEVICE) \
	  $(ENGINE:%=--engine=%) $(RAY_ADDRESS:%=--ray_address=%) \
	  $(if $(value TEXT_COLUMN),--text_column="$$COLUMN") "$$INPUT" "$$OUTPUT"

# The same held-out reviews by this and by others, side by side, each with the run's weights: the guide's graph, padded
# to its 128, and what peers read. Their environment is made without tox, as torch comes from one of two files.

.tox/bench.stamp: $(addprefix requirements/,bench.txt bench-cpu.txt bench-cuda.txt) | .tox/python3.11.txt
	$(call online,.tox/bench)
	@echo "creating .tox/bench"
	@"$(PYTHON3_11)" -m venv --clear .tox/bench
	@$(BENCH) -m pip install --quiet --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@$(BENCH) -m pip install --quiet --quiet --disable-pip-version-check --no-deps --require-hashes \
	  -r requirements/bench-cpu.txt 2> /dev/null || { \
	  echo "pip knows of no PyTorch for CPUs: installing PyPI's, with gigabytes of CUDA"; \
	  $(BENCH) -m pip install --quiet --quiet --disable-pip-version-check --no-deps --require-hashes \
	    -r requirements/bench-cuda.txt; }
	@$(BENCH) -c 'import torch'
	@touch $@

GUIDE = $(B)/bench/guide
$(GUIDE)/graph.meta: $(BERT) bench/guide.py run_classifier.py inputs/hub.py $(SHARED) \
		$(call changed,$(GUIDE)/graph.record.json,$(MODEL) $(BENCH_LENGTH)) | .tox/tf1.stamp
	$(RUN) --record=$(GUIDE)/graph.record.json --parameters='$(MODEL) $(BENCH_LENGTH)' --input $(filter-out FORCE,$^) \
	  --output $@ -- $(TF1) -m bench.guide $(MODEL) --max_seq_length=$(BENCH_LENGTH) --output_dir=$(GUIDE)
$(eval $(call freeze,$(GUIDE),$(FINE_TUNED),$(WHOLE) $(GUIDE)/graph.meta,$(GUIDE)/graph.meta))
$(eval $(call head,$(GUIDE),$(FINE_TUNED),$(WHOLE)))
$(eval $(call ir-mo,$(GUIDE),$(GUIDE)/bert-finetune.pb))

PEERS = $(B)/bench/peers
$(PEERS)/config.json: $(FROZEN) $(B)/weight.npy $(B)/bias.npy $(VOCAB_FILE) bench/peers.py infer/bert.py \
		infer/convert.py $(call changed,$(B)/bench/peers.record.json,$(FROZEN) $(VOCAB_FILE)) | .tox/bench.stamp
	$(RUN) --record=$(B)/bench/peers.record.json --parameters='$(FROZEN) $(VOCAB_FILE)' \
	  --input $(filter-out FORCE,$^) --output $(PEERS) -- \
	  $(BENCH) -m bench.peers $(FROZEN) $(PEERS) --head_dir=$(B) --vocab_file=$(VOCAB_FILE)

# Without INT8, where it cannot hold the accuracy: BENCH_INT8=
BENCH_INT8 = $(B)/int8/classifier.xml
MEASURED = $(addprefix $(B)/bench/,bench.json bench.md bench.svg bench.png)
MEASURE = --reviews=$(BENCH_REVIEWS) --repeats=$(BENCH_REPEATS) --padded_length=$(BENCH_LENGTH) \
	$(if $(BENCH_INT8),,--without_int8)
bench: $(B)/bench/bench.json  ## how fast it is: beside the guide's way, TensorFlow, ONNX Runtime, PyTorch, Optimum
	@echo "$(B)/bench/bench.md and bench.svg"
$(MEASURED) &: $(CLASSIFIER) $(BENCH_INT8) $(GUIDE)/bert-finetune.xml $(GUIDE)/weight.npy $(PEERS)/config.json \
		$(B)/reviews/test.jsonl $(wildcard bench/*.py infer/*.py) $(call changed,$(B)/bench/bench.record.json,$(MEASURE)) \
		| .tox/report.stamp
	$(RUN) --record=$(B)/bench/bench.record.json --parameters='$(MEASURE)' --input $(filter-out FORCE,$^) $(PEERS) \
	  --part=$(B)/bench/bench.part --output $(MEASURED) -- \
	  $(REPORT) -m bench $(B) --output_dir=$(B)/bench/bench.part $(MEASURE)
