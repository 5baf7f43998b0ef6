# The guide's own: multilingual BERT-Base and IMDB, from Google's and Stanford's servers. Hours on two cores.
WEIGHTS = https://storage.googleapis.com/bert_models/2018_11_03/multilingual_L-12_H-768_A-12.zip
WEIGHTS_ARCHIVE = multilingual_L-12_H-768_A-12.zip
WEIGHTS_FORMAT = google
REVIEWS_FROM = https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz
REVIEWS_ARCHIVE = aclImdb_v1.tar.gz
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
