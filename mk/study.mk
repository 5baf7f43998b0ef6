# What the run is worth: agreement with TensorFlow on held-out reviews, the ablation, the comparison, the curves.

heldout: $(EXAMPLES)  ## compare OpenVINO with TensorFlow on 500 held-out reviews
	+@$(call make-again,$(OUT)/reviews/heldout.txt,REVIEWS=$(OUT)/reviews/heldout.txt PREDICTIONS=$(OUT)/heldout \
	  USING=$(USING) predict) | tail -n 1

# Is the second phase needed? All test reviews, by result1's weights in a graph without dropout, by result2's, and by
# result1's in their own graph, dropout and all: each made as any CHECKPOINT= is. And again for every seed of SEEDS.
ABLATION = $(OUT)/ablation
VARIANTS = $(addprefix $(ABLATION)/,no-dropout second-phase with-dropout)
$(ABLATION)/no-dropout: variant = CHECKPOINT=$(RESULT1) META_GRAPH=$(RESULT2).meta
$(ABLATION)/second-phase: variant = CHECKPOINT=$(RESULT2) META_GRAPH=
$(ABLATION)/with-dropout: variant = CHECKPOINT=$(RESULT1) META_GRAPH=$(RESULT1).meta REPEATS=3
.PHONY: $(VARIANTS) variants probabilities
$(VARIANTS): $(RESULT1).index $(RESULT2).index $(EXAMPLES) $(VOCAB_FILE)
	+@$(plan-too)$(if $(STATUS),:,$(call make-again,$(RESULT2).index,OUT=$@ TEST_DIR=$(OUT)/reviews VOCAB_FILE=$(VOCAB_FILE) \
	  HUB_MODULE= $(variant) probabilities))
variants: $(VARIANTS)

# Of CHECKPOINT=, on the reviews of TEST_DIR. Dropout answers differently every time, so it is asked REPEATS times.
TEST_DIR =
REPEATS = 1
PROBABILITIES = $(foreach i,1 2 3,$(if $(word $(i),$(wordlist 1,$(REPEATS),1 2 3)),$(OUT)/probabilities-$(i).tsv))
probabilities: $(OUT)/probabilities-1.tsv
probabilities.command = $(OPENVINO) -m infer.evaluate -m $(OUT)/bert-finetune.xml --vocab_file $(VOCAB_FILE) \
	--data_dir $(TEST_DIR) --repeats $(REPEATS) $(OUT)
probabilities.makes = $(PROBABILITIES)
probabilities.reads = $(CASING)
probabilities.goal = ablation
$(OUT)/probabilities-1.tsv: $(IR) $(HEAD) $(VOCAB_FILE) $(TEST_DIR)/test.jsonl FORCE | .tox/openvino.stamp
	$(call stage,probabilities)

OTHER_SEEDS = $(filter-out $(RANDOM_SEED),$(sort $(SEEDS)))
SEED_BUILDS = $(OTHER_SEEDS:%=$(OUT)/seeds/%)
.PHONY: $(SEED_BUILDS)
$(SEED_BUILDS): $(OUT)/seeds/%: | $(VARIANTS)
	@$(plan-too)$(if $(STATUS),:,$(if $(OWN),$(MAKE) --no-print-directory --silent OUT=$@ RANDOM_SEED=$* USING= \
	  reviews && )$(MAKE) --no-print-directory OUT=$@ RANDOM_SEED=$* USING= variants)

ablation: $(ABLATION)/results.json  ## is the second phase needed? accuracy, loss, calibration, for every seed of SEEDS
	@echo "$(ABLATION)/ablation.md and ablation.svg"
ablation.command = $(REPORT) -m report.ablation --output_dir=$(ABLATION) $(RANDOM_SEED)=$(ABLATION) \
	$(foreach seed,$(OTHER_SEEDS),$(seed)=$(OUT)/seeds/$(seed)/ablation)
export MPLCONFIGDIR = $(BUILD)/.matplotlib
ablation.reads = $(VARIANTS) $(OTHER_SEEDS:%=$(OUT)/seeds/%/ablation)
ablation.makes = $(addprefix $(ABLATION)/,ablation.md ablation.svg ablation.png results.json)
ablation.record = $(ABLATION)/ablation.record.json
$(ABLATION)/results.json: FORCE | $(VARIANTS) $(SEED_BUILDS) .tox/report.stamp
	$(call stage,ablation)

# What of a longer text than the model reads is read, and what that is worth: of the test reviews, by the classifier.
BY_LENGTH = $(addprefix $(OUT)/by-length/,cut.tsv head_tail.tsv windows.tsv lengths.json)
by-length.command = $(CURRENT) -m infer.by_length $(OUT)/classifier.xml $(OUT)/by-length.part --data_dir=$(OUT)/reviews
by-length.makes = $(BY_LENGTH)
by-length: $(BY_LENGTH)  ## all test reviews by the classifier, of CHECKPOINT= too, for make compare BUILDS=
	@printf '%s\n' $(BY_LENGTH)
$(BY_LENGTH) &: $(CLASSIFIER) $(EXAMPLES) FORCE | .tox/openvino-current.stamp
	@mkdir -p $(OUT)/by-length
	$(call stage,by-length)

## BUILDS: of make compare: finished builds to set side by side, such as "build/minilm build/minilm/seeds/1"
BUILDS =
COMPARED = $(if $(BUILDS),$(BUILD),$(OUT))/compare
compare: $(COMPARED)/compare.md  ## this run beside the notebook and the guide, or BUILDS= side by side, as a page
	@echo "$(COMPARED)/compare.md and $(COMPARED)/compare.html"
builds.command = $(REPORT) -m report.builds $(BUILD)/compare $(BUILDS:%/=%)
builds.makes = $(BUILD)/compare
builds.reads = $(wildcard $(foreach build,$(BUILDS:%/=%),$(addprefix $(build)/,reviews/test.jsonl reviews/labels.txt \
	ablation/*/probabilities-1.tsv by-length/cut.tsv $(addsuffix .record.json,reviews result1 pb pretrained))))
builds.record = $(BUILD)/compare.record.json
builds.goal = compare
$(BUILD)/compare/compare.md: report/page.css FORCE | .tox/report.stamp
	$(call stage,builds)
compare.command = $(REPORT) -m report.compare $(OUT) --profile=$(PROFILE) --pretrained_dir=$(PROFILE_OUT)
compare.makes = $(OUT)/compare
$(OUT)/compare/compare.md: $(ABLATION)/results.json $(BY_LENGTH) $(EXAMPLES) $(PREDICTIONS)/openvino.txt \
		$(wildcard $(OUT)/old-stack/openvino.txt) report/published.json report/page.css FORCE | .tox/report.stamp
	$(call stage,compare)

tensorboard: $(RESULT1).index $(RESULT2).index | .tox/report.stamp  ## look at the curves
	$(REPORT) -m tensorboard.main --logdir=$(OUT)

clean:  ## remove what the profile built, not downloads or environments
	rm -rf $(OUT)

.PHONY: heldout ablation by-length compare tensorboard clean
