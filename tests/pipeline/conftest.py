from checkout import ROOT, bare, built, clean_environment, copy_checkout, environments, make, make_fails, start, tiny

__all__ = [
    "ROOT",
    "bare",
    "built",
    "clean_environment",
    "copy_checkout",
    "environments",
    "make",
    "make_fails",
    "start",
    "tiny",
]
