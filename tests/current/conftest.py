from small import HEADS, HIDDEN, LENGTH, ROOT, VOCAB, WORDS, classifier, fails, mounted, random_weights, run

__all__ = [
    "HEADS",
    "HIDDEN",
    "LENGTH",
    "ROOT",
    "VOCAB",
    "WORDS",
    "classifier",
    "fails",
    "mounted",
    "random_weights",
    "run",
]
