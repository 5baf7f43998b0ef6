# Is a build what this checkout makes: its stages made again and compared; and what to send to who asks that.

## FROM: of make reproduce and verify: another build folder, or a bundle of one, instead of one's own
FROM =
## STAGES: of make reproduce: only these, such as STAGES="pb fc ir classifier int8"
STAGES =

IS_BUNDLE = $(if $(FROM),$(if $(call there,$(FROM),/.),,yes))
# `:` stands for a space. Those of times, bench and bench-serve, are not made again.
REPRODUCED = $(if $(PB),ir,$(if $(CHECKPOINT),$(SHORTER) classifier:TOKENIZER=1 heldout int8 by-length classifier:CALIBRATE=1,\
	predict hub-module heldout classifier:TOKENIZER=1 int8 huggingface onnx by-length classifier:CALIBRATE=1 \
	ablation compare) $(OUT)/old-stack/openvino.txt)
GIVEN_PATHS = $(foreach name,$(filter-out FROM,$(filter $(PATHS),$(COMMAND_LINE))),$(if $($(name)),$(call in-shell,$($(name)))))
reproduce: | .tox/tools.stamp $(if $(IS_BUNDLE),.tox/bundle.stamp)  ## make every stage of a build again, and compare
	@$(without) PYTHONPATH=.:mk MAKE='$(MAKE)' $(TOOLS) -m proof.reproduce $(OUT) --build=$(BUILD) \
	  $(if $(FROM),--source=$(call in-shell,$(FROM))) --goals $(REPRODUCED) --stages $(STAGES) --given $(GIVEN_PATHS)

# The same build gives the same bytes. What it packs is as recorded, or it packs nothing.
BUNDLE = $(BUILD)/bundle/$(notdir $(OUT)).tar.zst
bundle: | .tox/tools.stamp .tox/bundle.stamp  ## pack results, records, logs and pins of a build, without weights or reviews
	@$(TOOLS) mk/stage.py verify $(OUT)
	@$(BUNDLER) pack $(OUT) $(BUNDLE)
BUNDLER = $(without) PYTHONPATH=.:mk .tox/bundle/bin/python -m proof.bundle

verify: | .tox/tools.stamp $(if $(IS_BUNDLE),.tox/bundle.stamp)  ## check every file of a build, or bundle, against the records
	@$(if $(IS_BUNDLE),$(BUNDLER) verify $(call in-shell,$(FROM)) $(OUT),\
	  $(TOOLS) mk/stage.py verify $(OUT) $(if $(FROM),--source=$(call in-shell,$(FROM))))

.PHONY: reproduce bundle verify
