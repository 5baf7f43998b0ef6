# The supply chain: pins with hashes, known vulnerabilities, bills of materials.

ENVIRONMENTS = $(basename $(notdir $(wildcard requirements/*.in)))
PINS = $(ENVIRONMENTS:%=requirements/%.txt)
.PHONY: lock audit sbom $(ENVIRONMENTS:%=lock-%)

# What is pinned stays as long as its .in allows it; for newer versions, remove it from the .txt first.
lock: $(ENVIRONMENTS:%=lock-%)  ## pin what requirements/*.in name, with hashes
LOCKED_FOR = 3.11
lock-tf1 lock-tf1-horovod lock-openvino2021: LOCKED_FOR = 3.7 --only-binary safetensors --only-binary h5py --only-binary grpcio
lock-tf1-horovod: | lock-tf1
lock-horovod lock-mo2021: LOCKED_FOR = 3.7 --no-deps
# Without torch, which bench-cpu.txt has: PyPI's for Windows is the one that names no CUDA.
lock-bench: LOCKED_FOR = 3.11 --python-platform windows --no-emit-package torch --no-emit-package colorama
UV_COMPILE = $(packages) .tox/tools/bin/uv pip compile --quiet --python-version $(LOCKED_FOR) --generate-hashes \
	--index-strategy unsafe-best-match --no-header
PIP_COMPILE = $(packages) .tox/pip-tools/bin/pip-compile --quiet --generate-hashes --no-header --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host --allow-unsafe
# $(call lock,COMMAND): the recipe that locks $*
lock = pins=requirements/$*.txt; cp $$pins $$pins.part 2> /dev/null; \
	$(1) --output-file $$pins.part requirements/$*.in > /dev/null || { rm -f $$pins.part; exit 1; }; \
	if cmp --silent $$pins.part $$pins; then rm $$pins.part; echo "$$pins: as it was"; \
	else mv $$pins.part $$pins; echo "$$pins: changed"; fi
OLD = tf112 pip-tools
$(filter-out $(OLD:%=lock-%),$(ENVIRONMENTS:%=lock-%)): lock-%: | .tox/tools.stamp
	@$(call lock,$(UV_COMPILE))
# uv knows no Python 3.6.
$(OLD:%=lock-%): lock-%:
	@if MAKEFLAGS= make --silent .tox/python3.6.txt 2> /dev/null; then \
	  MAKEFLAGS= make --silent .tox/pip-tools.stamp && { $(call lock,$(PIP_COMPILE)); }; \
	else \
	  echo "requirements/$*.txt: left alone, there is no Python 3.6: install it with 'pyenv install 3.6'"; \
	fi
lock-tf112: | lock-pip-tools

audit: | .tox/audit.stamp  ## list the known vulnerabilities of what is pinned, as PyPI knows them
	@$(AUDIT) mk/audit.py --accepted=requirements/accepted-advisories.txt $(PINS)

SBOM = $(ENVIRONMENTS:%=$(BUILD)/sbom/%.cdx.json)
sbom: $(SBOM)  ## a CycloneDX bill of materials for every environment
	@printf '%s\n' $(SBOM)
sbom.command = $(AUDIT) -m cyclonedx_py requirements --output-reproducible --spec-version=1.6 --output-file=$@ $<
sbom.record = $@.record.json
$(SBOM): $(BUILD)/sbom/%.cdx.json: requirements/%.txt FORCE | .tox/audit.stamp
	@mkdir -p $(@D)
	$(call stage,sbom)
