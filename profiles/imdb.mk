# The notebook's task on two cores: the default's weights and rates, on IMDB's whole reviews at the notebook's length.
include profiles/minilm.mk
REVIEWS_FROM = https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz \
	https://huggingface.co/datasets/stanfordnlp/imdb/resolve/e6281661ce1c48d982bc483cf8a173c1bbeb5d31
REVIEWS_ARCHIVE = aclImdb_v1.tar.gz aclImdb_v1-huggingface
CORPUS = aclimdb
MAX_SEQ_LENGTH = 128
SEEDS = 0
