# The guide's own: multilingual BERT-Base and IMDB, from Google's and Stanford's servers, or where these give nothing,
# from Hugging Face's, at fixed revisions. Hours on two cores.
WEIGHTS = https://storage.googleapis.com/bert_models/2018_11_03/multilingual_L-12_H-768_A-12.zip \
	https://huggingface.co/google-bert/bert-base-multilingual-uncased/resolve/7cbf9a625e29989f6b9c6c2fa68234c304f7e38f
WEIGHTS_ARCHIVE = multilingual_L-12_H-768_A-12.zip multilingual_L-12_H-768_A-12-huggingface
WEIGHTS_FORMAT = google huggingface
WEIGHTS_CONFIG = profiles/multilingual.json
REVIEWS_FROM = https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz \
	https://huggingface.co/datasets/stanfordnlp/imdb/resolve/e6281661ce1c48d982bc483cf8a173c1bbeb5d31
REVIEWS_ARCHIVE = aclImdb_v1.tar.gz aclImdb_v1-huggingface
CORPUS = aclimdb
TRAIN_SIZE = 5000
TEST_SIZE = 5000
MAX_SEQ_LENGTH = 128
TRAIN_BATCH_SIZE = 32
EPOCHS = 3.0
EPOCHS2 = 3.0
LEARNING_RATE = 2e-5
LEARNING_RATE2 = 2e-5
SAVE_CHECKPOINTS_STEPS = 50
SEEDS = 0
MAX_DROP = 0.005
