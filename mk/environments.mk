# Environments: Make's own tools, then what tox builds with them. Each is made from its file of pinned hashes, and from
# nothing: one that was killed while it was made can't be told from a whole one. Its stamp is a copy of those pins.

TOOLS = .tox/tools/bin/python
TF1 = .tox/tf1/bin/python
OPENVINO = .tox/openvino/bin/python
CURRENT = .tox/openvino-current/bin/python
REPORT = .tox/report/bin/python
AUDIT = .tox/audit/bin/python
BENCH = .tox/bench/bin/python
export PYTHON3_7 = $(file <.tox/python3.7.txt)
export PYTHON3_11 = $(file <.tox/python3.11.txt)
ifdef OFFLINE
export OFFLINE
export PIP_NO_INDEX = 1
export UV_OFFLINE = 1
endif

pins = $(or $(pins.$(1)),requirements/$(1).txt)
pins.tf1-horovod = requirements/tf1-horovod.txt requirements/horovod.txt
pins.openvino2021 = requirements/openvino2021.txt requirements/mo2021.txt
pins.bench = requirements/bench.txt requirements/bench-cpu.txt
# $(call environment,NAME,COMMAND): the recipe that makes .tox/NAME by a command, unless it is there with these pins.
environment = $(if $(shell cat $(call pins,$(1)) | cmp --silent - .tox/$(1).stamp && echo as pinned),,\
	$(call online,.tox/$(1)) echo "creating .tox/$(1)$($(1).takes)" && rm -rf .tox/$(1) && \
	$(2) && cat $(call pins,$(1)) > .tox/$(1).stamp)
# $(call online,WHAT), before a command that goes to the network for it: OFFLINE=1 ends it there.
online = @$(if $(OFFLINE),\
	echo "$(1): is not there or out of date under OFFLINE=1: run make without it once" >&2; exit 1;)
# What installs takes from the user's settings where packages come from, and nothing else.
packages = $(TOOLS) mk/packages.py
# A full disk is what tox dies of without a word.
tox = { $(packages) $(TOOLS) -m tox run --quiet --quiet --notest -e $(1) || \
	{ [ "$$(stat --file-system --format=%a .tox)" -gt 0 ] || echo ".tox: No space left on device" >&2; exit 1; }; }
venv = "$(1)" -m venv --clear .tox/$(2) && \
	$(packages) .tox/$(2)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes

# PATH first; pyenv's shims answer only for its active versions, so its folder is asked too; uv last, which may
# fetch one. The file holds the interpreter's path.
.tox/python3.%.txt:
	@mkdir -p $(@D)
	@for python in python3.$* python3 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.$*.*/bin/python3.$* \
	               "$$(uv python find --no-python-downloads 3.$* 2>/dev/null)" $(if $(OFFLINE),,uv); do \
	  if [ "$$python" = uv ] && [ -x .tox/tools/bin/uv ]; then \
	    $(packages) .tox/tools/bin/uv python install --quiet 3.$* 2>/dev/null; \
	    python=$$(.tox/tools/bin/uv python find --managed-python 3.$* 2>/dev/null); \
	  fi; \
	  path=$$("$$python" -c 'import sys; sys.version_info[:2] == (3, $*) and print(sys.executable)' 2>/dev/null) \
	    && [ -n "$$path" ] && echo "$$path" > $@ && exit; \
	done; \
	echo "Python 3.$* is needed and was found neither on PATH nor through pyenv nor uv:" \
	  "install it with 'pyenv install 3.$*' or 'uv python install 3.$*' and run make again" >&2; exit 1

.tox/tools.stamp: $(call pins,tools) FORCE | .tox/python3.11.txt
	$(call environment,tools,$(call venv,$(PYTHON3_11),tools) -r requirements/tools.txt)

# TensorFlow 1's Python is the one that may be missing: look for it before anything long, unless a PB needs none.
.tox/python3.7.txt: | .tox/tools.stamp
.tox/tf1.stamp: | .tox/python3.7.txt
.tox/%.stamp: requirements/%.txt FORCE | .tox/tools.stamp $(if $(PB),,.tox/python3.7.txt)
	$(call environment,$*,$(call tox,$*))

# Horovod is built from source against TensorFlow, once that is there.
tf1-horovod.takes = , which takes minutes to build
.tox/tf1-horovod.stamp: $(call pins,tf1-horovod) FORCE | .tox/tools.stamp .tox/python3.7.txt
	$(call environment,tf1-horovod,{ command -v g++ > /dev/null || \
	  { echo "Horovod is built with g++: install it and run make again" >&2; exit 1; }; } && $(call tox,tf1-horovod) && \
	  PATH="$(CURDIR)/.tox/tf1-horovod/bin:$$PATH" MAKEFLAGS= HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITH_GLOO=1 \
	  HOROVOD_WITHOUT_MPI=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 \
	  $(packages) .tox/tools/bin/uv pip install --quiet --python .tox/tf1-horovod/bin/python --no-build-isolation \
	  --no-deps --require-hashes -r requirements/horovod.txt)

# The Model Optimizer of 2021 without its dependencies, which name another TensorFlow.
.tox/openvino2021.stamp: $(call pins,openvino2021) FORCE | .tox/tools.stamp .tox/python3.7.txt
	$(call environment,openvino2021,$(call tox,openvino2021) && $(packages) .tox/tools/bin/uv pip install --quiet \
	  --python .tox/openvino2021/bin/python --no-deps --require-hashes -r requirements/mo2021.txt)

# Made without tox, as torch comes from the build for CPUs, which pip is told where to find.
.tox/bench.stamp: $(call pins,bench) FORCE | .tox/tools.stamp
	$(call environment,bench,$(call venv,$(PYTHON3_11),bench) --no-deps -r requirements/bench.txt && \
	  $(packages) $(BENCH) -m pip install --quiet --quiet --disable-pip-version-check --no-deps --require-hashes \
	  -r requirements/bench-cpu.txt)

# For evidence and for locking alone: what only Python 3.6 runs.
.tox/tf112.stamp .tox/pip-tools.stamp: .tox/%.stamp: requirements/%.txt FORCE | .tox/tools.stamp .tox/python3.6.txt
	$(call environment,$*,$(call venv,$(file <.tox/python3.6.txt),$*) -r requirements/$*.txt)
