# The notebook's: BERT-Base uncased as a TF Hub module, and IMDB. Where TF Hub gives nothing, the module is made of the
# checkpoint. HUB_MODULE= (empty) takes that itself. Hours on two cores.
include profiles/multilingual.mk
WEIGHTS = https://storage.googleapis.com/bert_models/2018_10_18/uncased_L-12_H-768_A-12.zip \
	https://huggingface.co/google-bert/bert-base-uncased/resolve/86b5e0934494bd15c9632b12f734a8a67f723594
WEIGHTS_ARCHIVE = uncased_L-12_H-768_A-12.zip uncased_L-12_H-768_A-12-huggingface
WEIGHTS_CONFIG = profiles/uncased.json
HUB_MODULE = https://tfhub.dev/google/bert_uncased_L-12_H-768_A-12/1 $(BUILD)/$(PROFILE)/hub-module
