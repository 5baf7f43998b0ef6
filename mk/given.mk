# What a user brings on the command line and in the shell, made fit for Make before anything else reads it.

# Names of files, and texts, may have any character, many of which Make and shells take for their own. So the Makefile's
# NAME is @given/NAME, and what was given is GIVEN_NAME: mk/stage.py puts that in its place, $(call in-shell,NAME) quotes
# it for a shell, $(call named,NAME) is for messages. What lies below build/ keeps its name, as it may have to be made.
PATHS = DATA_DIR REVIEWS HUB_MODULE CHECKPOINT META_GRAPH PB MIRROR CHECKSUMS VOCAB_FILE BERT_CONFIG_FILE \
	WEIGHTS WEIGHTS_CONFIG REVIEWS_FROM INPUT OUTPUT TRAIN TEST TOKEN_FILE FROM CALIBRATE
TEXTS = TEXT_COLUMN LABEL_COLUMN LABELS DEVICE T
BUILD = build
quote = '$(subst ','\'',$(1))'
in-shell = $(call quote,$(named))
named = $(if $(filter @given/%,$(1)),$(value $(patsubst @given/%,GIVEN_%,$(1))),$(1))
there = $(shell test -e $(in-shell)$(2) && echo there)

COMMAND_LINE := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
TAKEN_FROM_SHELL = PROFILE MIRROR OFFLINE BENCH_LENGTH
FROM_SHELL := $(foreach name,$(TAKEN_FROM_SHELL),$(if $(filter environment,$(origin $(name))),$(name)))
define newline


endef
SPECIAL = ' " ` $$ \# % ; | & < > ( ) [ ] { } * ? ! \ $(1)
special = $(firstword $(if $(findstring $(newline),$(2)),newlines) $(foreach character,$(SPECIAL),\
	$(findstring $(character),$(2))))
plain = $(and $(filter $(BUILD)/%,$(1)),$(if $(word 2,$(1))$(call special,: = @ ~,$(1)),,plain))
$(foreach name,$(COMMAND_LINE) $(FROM_SHELL),$(foreach character,$(if $(filter $(PATHS) $(TEXTS),$(name)),\
	$(filter newlines,$(call special,,$(value $(name)))),$(call special,,$(value $(name)))),\
	$(error $(name)='$(value $(name))': must be without $(character))))
$(foreach name,BUILD PROFILE HOSTS,$(if $(word 2,$($(name))),$(error $(name)='$($(name))': must be without spaces)))
$(if $(findstring :,$(BUILD)),$(error BUILD='$(BUILD)': must be without :))
$(foreach character,$(call special,: =,$(MAKECMDGOALS)),$(error make '$(MAKECMDGOALS)': there is no such goal))

# A path ends without a slash, and begins neither as an option does nor as `> file`.
path = $(if $(filter -% >% 2>%,$(firstword $(1))),./)$(subst $(newline),,$(subst /$(newline),,$(1)$(newline)))
text = $(1)
keep = $(eval export GIVEN_$(1) := $$(call $(2),$$(value $(1))))$(eval override $(1) := @given/$(1))
unkept = $(foreach name,$(filter $(1),$(COMMAND_LINE) $(FROM_SHELL)),\
	$(if $(subst @given/$(name),,$(value $(name))),$(name)))
$(foreach name,$(call unkept,$(PATHS)),$(if $(call plain,$(value $(name))),,$(call keep,$(name),path)))
$(foreach name,$(call unkept,$(TEXTS)),$(call keep,$(name),text))
# No file to Make.
@given/%: ;

# What the shell has to say to Make's own tools, Pythons and tests is not for these here.
OTHERS := MAKEFILES BASH_ENV POSIXLY_CORRECT GREP_OPTIONS MATPLOTLIBRC STAGE STAGE_MODULES \
	$(filter PYTHON% VIRTUAL_ENV% VIRTUALENV_% CONDA_% TOX_% PYTEST_%,$(.VARIABLES))
unexport $(OTHERS)
without = env $(OTHERS:%=--unset=%)
