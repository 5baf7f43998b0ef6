# Inference to ship, on today's OpenVINO: one file that is the classifier, and what is made of it.

CLASSIFIER = $(B)/classifier.xml $(B)/classifier.bin
classifier: $(CLASSIFIER)  ## one IR of any batch and length: encoder, head, vocabulary, labels
$(CLASSIFIER) &: $(FROZEN) $(B)/weight.npy $(B)/bias.npy $(VOCAB_FILE) infer/bert.py infer/convert.py \
		$(call changed,$(B)/classifier.record.json,$(FROZEN) $(VOCAB_FILE)) | .tox/openvino-current.stamp
	$(RUN) --record=$(B)/classifier.record.json --parameters='$(FROZEN) $(VOCAB_FILE)' --input $(filter-out FORCE,$^) \
	  --part=$(B)/classifier.part --output $(CLASSIFIER) -- \
	  $(CURRENT) -m infer.convert classifier $(FROZEN) $(B)/classifier.part/classifier.xml --head_dir=$(B) \
	  --vocab_file=$(VOCAB_FILE)
