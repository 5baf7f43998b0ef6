# The guide's own stack, as far as it can still be installed: evidence. make compare shows its answers if they are there.

old-stack: old-tensorflow $(OUT)/old-stack/openvino.txt  ## compare with TensorFlow 1.12 and with OpenVINO 2021
	@cat $(OUT)/old-stack/openvino.txt

# TensorFlow 1.12 on Python 3.6, which tox and uv no longer know.
old-tensorflow: .tox/tf1.stamp weights-archive
	@if make --silent .tox/python3.6.txt 2> /dev/null; then \
	  make --silent .tox/tf112.stamp && $(TF1) -m pytest --quiet --capture=no tests/scripts/test_old_stack.py; \
	else \
	  echo "TensorFlow 1.12: skipped, there is no Python 3.6: install it with 'pyenv install 3.6' and run make again"; \
	fi

# The oldest Model Optimizer that PyPI has takes the guide's own flags; it needs to be told the types of the inputs, as
# today's does, or OpenVINO can't load what it writes.
OLD_IR = $(addprefix $(OUT)/old-stack/bert-finetune.,xml bin)
old-ir.command = .tox/openvino2021/bin/python -m mo \
	--framework tf \
	--input_model $(FROZEN) \
	--model_name bert-finetune \
	--input IteratorGetNext:0{i32},IteratorGetNext:1{i32},IteratorGetNext:3{i32} \
	--input_shape [1,$(LENGTH)],[1,$(LENGTH)],[1,$(LENGTH)] \
	--output bert/pooler/dense/Tanh \
	--disable_nhwc_to_nchw \
	--output_dir $(OUT)/old-stack/old-ir.part > $(OUT)/old-stack/mo.log 2>&1
old-ir.makes = $(OLD_IR)
old-ir.record = $(OUT)/old-stack/old-ir.record.json
old-ir.goal = old-stack
$(OLD_IR) &: $(FROZEN) FORCE | .tox/openvino2021.stamp
	@mkdir -p $(@D)
	$(call stage,old-ir)

old-openvino.command = .tox/openvino2021/bin/python tests/scripts/old_openvino.py $(OUT)/old-stack/bert-finetune.xml \
	$(OUT) $(VOCAB_FILE) $(REVIEWS) $(PREDICTIONS)/openvino.txt > $@
old-openvino.reads = $(CASING)
old-openvino.record = $(OUT)/old-stack/old-openvino.record.json
old-openvino.goal = old-stack
$(OUT)/old-stack/openvino.txt: tests/scripts/old_openvino.py $(OLD_IR) $(HEAD) $(VOCAB_FILE) $(REVIEWS) \
		$(PREDICTIONS)/openvino.txt FORCE | .tox/openvino2021.stamp
	$(call stage,old-openvino)

.PHONY: old-stack old-tensorflow
