# For the tests, in about a minute: a random 2-layer BERT and a few dozen of the default's snippets.
include profiles/minilm.mk
WEIGHTS_FORMAT = random
TRAIN_SIZE = 64
TEST_SIZE = 48
MAX_SEQ_LENGTH = 32
TRAIN_BATCH_SIZE = 8
EPOCHS = 2.0
EPOCHS2 = 2.0
LEARNING_RATE = 1e-3
LEARNING_RATE2 = 1e-3
SAVE_CHECKPOINTS_STEPS = 4
SEEDS = 0 1
BENCH_LENGTH = 64
