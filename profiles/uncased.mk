# The notebook's: BERT-Base uncased as a TF Hub module, and IMDB, from Google's and Stanford's servers. Hours on two
# cores. HUB_MODULE= (empty) takes Google's checkpoint instead.
include profiles/multilingual.mk
WEIGHTS = https://storage.googleapis.com/bert_models/2018_10_18/uncased_L-12_H-768_A-12.zip
WEIGHTS_ARCHIVE = uncased_L-12_H-768_A-12.zip
HUB_MODULE = https://tfhub.dev/google/bert_uncased_L-12_H-768_A-12/1
