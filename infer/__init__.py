"""OpenVINO inference of the fine-tuned classifier. Imports no TensorFlow.

Two ways lead from a review to its label, and __main__.py takes either; in both, text/tokenizer.py turns it into ids.
  The guide's, one review at a time: guide.py runs the encoder, head.py what follows it, in NumPy.
  The fast one: convert.py makes one IR of all that is needed, with bert.py's graph; ir.py writes and reads it,
  classifier.py predicts with it, in one of precision.py's precisions, on what compiled.py keeps; quantize.py makes it
  INT8, score/ scores a file of any size, serve/ answers over HTTP, check.py says what a precision costs. options.py is
  what their commands share.
Besides, evaluate.py predicts the test reviews, graph.py reads the frozen graph and ports.py names its ends. text/ is
what every environment reads: texts, labels, vocabulary and configuration.
"""

__all__ = ["Classifier"]


def __getattr__(name):
    """Imports Classifier when it is asked for, so that infer.text can be had without OpenVINO."""
    if name in __all__:
        from infer.classifier import Classifier

        return Classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
