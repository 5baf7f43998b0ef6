"""Run by test_ids.py in the tf1 environment: texts as JSON from standard input, FullTokenizer's ids to standard output.

python tests/pipeline/full_tokenizer.py vocab.txt true|false
"""

import json
import sys

from tf1.flags import flags  # noqa: F401 (quiets TensorFlow)

# isort: split
from bert.tokenization import FullTokenizer

tokenizer = FullTokenizer(sys.argv[1], do_lower_case=sys.argv[2] == "true")
texts = json.load(sys.stdin)
json.dump([tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)) for text in texts], sys.stdout)
