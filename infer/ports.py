"""Where the frozen graph, as ckpt_to_pb.py writes it, is fed and read; constants alone, for every environment."""

# Its ports follow the sorted names of the features: the third, label_ids, only the loss reads.
INPUT_NODE = "IteratorGetNext"
INPUTS = (f"{INPUT_NODE}:0", f"{INPUT_NODE}:1", f"{INPUT_NODE}:3")  # input_ids, input_mask, segment_ids
OUTPUT = "bert/pooler/dense/Tanh"
MAX_LENGTH = 1 << 16  # in WordPieces, of what is taken for an encoder; BERT's is 512
