# The tests, in loops: check while one writes, test before one trusts it, the rest before it is handed on.

## T: of make check, test, test-all and test-faults: run the tests whose names have this, as pytest -k takes it
T =
JOBS = 2
ARCHIVES_OF_TESTS = weights-archive reviews-archive
GXX := $(shell command -v g++)
CHROMIUM := $(shell command -v chromium)
check.jobs = lint tf1 report openvino-current openvino serve audit bundle
check.marks = not process and not more and not faults
test.jobs = lint pipeline products tf1 openvino-current openvino serve report audit bundle
test.marks = not more and not faults
test-all.jobs = pipeline products tf1 $(if $(GXX),tf1-horovod) ray openvino openvino-current serve $(if $(CHROMIUM),report) \
	audit bundle
test-all.marks = more
test-faults.jobs = pipeline openvino
test-faults.marks = faults
# Two jobs call Make in copies of the checkout, for what leads to a trained model, and for what is made of it.
pipeline.tests = tests/pipeline tests/faults $(if $(GXX),,--ignore=tests/pipeline/test_hosts.py)
products.tests = tests/products $(if $(GXX),,--ignore=tests/products/test_cplusplus.py)
# What a job's tests call beside their own environment.
products.needs = $(pipeline.needs)
pipeline.needs = tools tf1 openvino openvino-current serve report huggingface wheel bundle \
	$(if $(filter test-all test-faults,$(LOOP)),audit ray openvino2021 $(if $(GXX),tf1-horovod))
report.needs = report $(if $(filter test-all,$(LOOP)),serve)
needs = $(or $($(1).needs),$(1))

check: LOOP = check
check:  ## lint and all tests that need no training and no other process: two minutes
test: LOOP = test
test:  ## run the tests: all that a user relies on, each path for real
test-all: LOOP = test-all
test-all:  ## what make test leaves out: Ray, Horovod, several hosts, the pages, fuzzing, what takes long
test-faults: LOOP = test-faults
test-faults:  ## kill every stage, fill the disk, spoil downloads, and make again
check test test-all test-faults:
	@$(if $(GXX),,$(if $(filter test-all,$@),echo "test-all: Horovod's tests and those in C++ are skipped: there is no g++"))
	@$(if $(CHROMIUM),,$(if $(filter test-all,$@),echo "test-all: the pages' tests are skipped: there is no chromium"))
	+@$(MAKE) --no-print-directory --silent LOOP=$@ $(sort $(foreach job,$($@.jobs),$(addprefix .tox/,$(addsuffix .stamp,\
	  $(call needs,$(job)))))) $(ARCHIVES_OF_TESTS)
	+@$(MAKE) --no-print-directory --jobs=$(JOBS) --keep-going LOOP=$@ $($@.jobs:%=tested-%)
LOOP =
serve.left-out = $(if $(CHROMIUM),,--ignore=tests/infer/serve/test_page.py)
NAMED = sed --unbuffered 's/^/$(@:tested-%=%): /'
PICKED = -m "$($(LOOP).marks)" $(if $(T),-k $(call in-shell,$(T)))
tested-%:
	@$(TOOLS) -m tox run --quiet --quiet -e $* -- $(PICKED) $($*.left-out) 2>&1 | $(NAMED)
tested-pipeline tested-products:
	@$(OPENVINO) -m pytest $(PICKED) $($(@:tested-%=%).tests) 2>&1 | $(NAMED)

# Small wrong programs, as tests/mutants/table.py lists them: each must fail a test of make check or make test.
mutants:  ## apply small wrong changes to a copy, one by one: the tests must tell each
	+@$(MAKE) --no-print-directory --silent LOOP=test $(sort $(foreach job,$(test.jobs),$(addprefix .tox/,$(addsuffix \
	  .stamp,$(call needs,$(job)))))) $(ARCHIVES_OF_TESTS)
	@PYTHONPATH=tests/support $(OPENVINO) tests/mutants --pick=$(call in-shell,$(T)) \
	  $(foreach loop,check test,--$(loop)-jobs $($(loop).jobs) --$(loop)-marks "$($(loop).marks)")

.DEFAULT_GOAL = help
help:  ## list the targets and the variables
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' Makefile mk/*.mk
	@awk -F': ' '/^## [A-Z0-9_]+: / { sub(/^## /, ""); printf "%-22s %s\n", $$1, substr($$0, length($$1) + 3) }' \
	  Makefile profiles/minilm.mk mk/*.mk
	@echo "profiles:    $(basename $(notdir $(wildcard profiles/*.mk)))  (PROFILE=$(PROFILE))"

.PHONY: check test test-all test-faults mutants help
