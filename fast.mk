# Inference to ship, on today's OpenVINO: one file that is the classifier, and what is made of it.

CLASSIFIER = $(B)/classifier.xml $(B)/classifier.bin
classifier: $(CLASSIFIER)  ## one IR of any batch and length: encoder, head, vocabulary, labels
$(CLASSIFIER) &: $(FROZEN) $(B)/weight.npy $(B)/bias.npy $(VOCAB_FILE) infer/bert.py infer/convert.py \
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

# What is scored is the user's own, wherever it lies: no stage of the build, so it leaves no record.
score: $(CLASSIFIER) | .tox/openvino-current.stamp  ## score INPUT=reviews.csv into OUTPUT=scored.csv, or other formats
	@$(CURRENT) -m infer score -m $(B)/classifier.xml -d $(DEVICE) \
	  $(if $(TEXT_COLUMN),--text_column='$(TEXT_COLUMN)') '$(INPUT)' '$(OUTPUT)'
