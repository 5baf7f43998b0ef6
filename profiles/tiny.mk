# For the tests, in about a minute: a random 2-layer BERT and a few dozen of the default's snippets. Its weights are
# drawn wide, and it learns the snippets by heart: so it answers each text differently, and a mistake shows.
include profiles/minilm.mk
WEIGHTS_FORMAT = random
WEIGHTS_CONFIG = profiles/tiny.json
TRAIN_SIZE = 64
TEST_SIZE = 48
MAX_SEQ_LENGTH = 32
TRAIN_BATCH_SIZE = 8
EPOCHS = 8.0
EPOCHS2 = 4.0
LEARNING_RATE = 5e-4
LEARNING_RATE2 = 5e-4
SAVE_CHECKPOINTS_STEPS = 16
SEEDS = 0 1
BENCH_LENGTH = 64
MAX_DROP = 0.1
