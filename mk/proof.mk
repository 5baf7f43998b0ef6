# Is a build what this checkout makes: its stages made again and compared; and what to send to who asks that.

## FROM: of make reproduce and verify: another build folder, or a bundle of one, instead of one's own
FROM =
## STAGES: of make reproduce: only these, such as STAGES="pb fc ir classifier int8"
STAGES =

IS_BUNDLE = $(if $(FROM),$(if $(call there,$(FROM),/.),,yes))
# `:` stands for a space. Those of times, bench and bench-serve, are not made again.
REPRODUCED = $(if $(PB),ir,$(if $(CHECKPOINT),$(SHORTER) classifier:TOKENIZER=1,predict hub-module heldout \
	classifier:TOKENIZER=1 int8 huggingface onnx ablation compare))
GIVEN_PATHS = $(foreach name,$(filter-out FROM,$(filter $(PATHS),$(COMMAND_LINE))),$(if $($(name)),$(call in-shell,$($(name)))))
reproduce: | .tox/tools.stamp $(if $(IS_BUNDLE),.tox/bundle.stamp)  ## make every stage of a build again, and compare
	@$(without) PYTHONPATH=.:mk MAKE='$(MAKE)' $(TOOLS) -m proof.reproduce $(OUT) --build=$(BUILD) \
	  $(if $(FROM),--source=$(call in-shell,$(FROM))) --goals $(REPRODUCED) --stages $(STAGES) --given $(GIVEN_PATHS)

.PHONY: reproduce
