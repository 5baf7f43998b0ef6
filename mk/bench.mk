# The same held-out reviews by this and by others, side by side, each with the run's weights: the guide's graph, padded
# to its 128, and what peers read.

## QUICK: of make bench: 1 for some minutes: fewer contenders, one turn, nothing tried; it writes bench/quick.md
QUICK =
quick = $(filter-out 0,$(QUICK))
## BENCH_REVIEWS: of make bench: held-out reviews
BENCH_REVIEWS = $(if $(quick),1000,5000)
## BENCH_REPEATS: of make bench and bench-serve: how often each contender is measured
BENCH_REPEATS = $(if $(quick),1,3)
## BENCH_ROWS: of make bench: rows of the file that is scored
BENCH_ROWS = $(if $(quick),2000,100000)
## BENCH_LENGTH: of make bench: what the guide's way and TensorFlow pad to
BENCH_LENGTH ?= 128
## BENCH_INT8: of make bench and bench-serve: empty to leave INT8 out, where it cannot hold the accuracy
BENCH_INT8 = $(OUT)/int8/classifier.xml

GUIDE = $(OUT)/bench/guide
graph.command = $(TF1) -m bench.guide $(MODEL) --max_seq_length=$(BENCH_LENGTH) --output_dir=$(GUIDE)
graph.record = $(GUIDE)/graph.record.json
graph.goal = bench
graph.reads = $(fetched-module) $(CASING)
$(GUIDE)/graph.meta: $(MODEL_FILES) FORCE | .tox/tf1.stamp
	$(call stage,graph)
.PHONY: $(GUIDE)
$(GUIDE): $(GUIDE)/graph.meta $(FINE_TUNED).index
	+@$(plan-too)$(if $(STATUS),:,$(call make-again,$(GUIDE)/graph.meta,OUT=$@ CHECKPOINT=$(FINE_TUNED) \
	  META_GRAPH=$(GUIDE)/graph.meta HUB_MODULE= CONVERTER=mo ir fc))

PEERS = $(OUT)/bench/peers
peers.command = $(BENCH) -m bench.peers $(OUT)/huggingface $(OUT)/classifier.onnx $(PEERS)
peers.makes = $(PEERS)
peers.record = $(OUT)/bench/peers.record.json
peers.goal = bench
$(PEERS)/fused.onnx: $(HUGGINGFACE) $(OUT)/classifier.onnx FORCE | .tox/bench.stamp
	$(call stage,peers)

MEASURED = $(OUT)/bench/$(if $(quick),quick,bench)
bench: $(MEASURED).json  ## how fast it is: beside the guide's way, TensorFlow, ONNX Runtime, PyTorch, Optimum
	@echo "$(MEASURED).md and $(MEASURED).svg"
bench.command = $(REPORT) -m bench $(OUT) --output_dir=$(OUT)/bench/bench.part --reviews=$(BENCH_REVIEWS) \
	--repeats=$(BENCH_REPEATS) --rows=$(BENCH_ROWS) --padded_length=$(BENCH_LENGTH) \
	$(if $(BENCH_INT8),,--without_int8) $(if $(quick),--name=quick --quick)
bench.makes = $(addprefix $(MEASURED).,json md svg png)
bench.record = $(MEASURED).record.json
bench.reads = $(addprefix $(GUIDE)/,bert-finetune.pb bert-finetune.xml bert-finetune.bin weight.npy bias.npy) \
	$(GUIDE)/labels.txt $(PEERS) $(OUT)/reviews/train.jsonl
$(MEASURED).json: $(CLASSIFIER) $(BENCH_INT8) $(PEERS)/fused.onnx $(HUGGINGFACE) $(OUT)/classifier.onnx \
		$(OUT)/reviews/test.jsonl FORCE \
		| $(GUIDE) .tox/report.stamp
	$(call stage,bench)

## BENCH_SOAK: of make bench-serve: seconds that it serves at the end, to see whether its memory grows
BENCH_SOAK = 600

bench-serve: $(OUT)/bench/serve.json  ## how fast make serve is, beside the Classifier itself and a tutorial's server
	@cat $(OUT)/bench/serve.md
bench-serve.command = $(REPORT) -m bench.serve $(OUT) --output_dir=$(OUT)/bench/serve.part --repeats=$(BENCH_REPEATS) \
	--soak=$(BENCH_SOAK) --servers infer $(if $(BENCH_INT8),infer-int8) infer-ray tutorial ray litserve
bench-serve.makes = $(addprefix $(OUT)/bench/serve.,json md)
bench-serve.record = $(OUT)/bench/serve.record.json
$(OUT)/bench/serve.json: $(CLASSIFIER) $(BENCH_INT8) $(HUGGINGFACE) $(OUT)/reviews/test.jsonl FORCE \
		| .tox/serve.stamp .tox/ray.stamp .tox/bench.stamp .tox/report.stamp
	@mkdir -p $(@D)
	$(call stage,bench-serve)

.PHONY: bench bench-serve
