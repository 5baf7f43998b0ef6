"""OpenVINO inference of the fine-tuned classifier. Imports no TensorFlow.

Two ways from a review to its label. The guide's, one review at a time, the head in NumPy: text.py turns it into ids,
model.py into probabilities, __main__.py prints them. And the fast one: convert.py makes one IR of all that is needed,
bert.py is its graph, classifier.py predicts with it, score.py scores a file, tables.py reads and writes one.
"""

__all__ = ["Classifier"]


def __getattr__(name):
    """Imports Classifier when it is asked for, so that infer.text can be had without OpenVINO."""
    if name in __all__:
        from infer.classifier import Classifier

        return Classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
