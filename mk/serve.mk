# The classifier over HTTP, with a page. It serves for as long as it is let, so not under the lock: only what it needs is
# made there.

## HOST: of make serve: the address to listen on; others than this machine's own need TOKEN_FILE= or INSECURE=1
HOST = 127.0.0.1
## PORT: of make serve
PORT = 8080
## TOKEN_FILE: of make serve: a file with the token that all but health ask for
TOKEN_FILE =
## INSECURE: of make serve: 1 to let others in without a token
INSECURE =
## REPLICAS: of make serve ENGINE=ray: how many classifiers share the CPUs of Ray that are free; empty for one on each
REPLICAS =

SERVER = $(if $(filter ray,$(ENGINE)),ray,serve)
serve:  ## serve the classifier over HTTP, with a page, at HOST:PORT
	+@$(MAKE) --no-print-directory --silent serve-needs
	@exec .tox/$(SERVER)/bin/python -m infer serve -m $(OUT)/classifier.xml -d $(call in-shell,$(DEVICE)) \
	  --host=$(HOST) --port=$(PORT) $(PRECISION:%=--precision=%) $(if $(filter-out 0,$(INSECURE)),--insecure) \
	  $(if $(TOKEN_FILE),--token_file=$(call in-shell,$(TOKEN_FILE))) \
	  $(ENGINE:%=--engine=%) $(RAY_ADDRESS:%=--ray_address=%) $(REPLICAS:%=--replicas=%)
serve-needs: $(CLASSIFIER) $(if $(findstring int8,$(PRECISION)),$(INT8)) | .tox/$(SERVER).stamp

.PHONY: serve serve-needs
