from checkout import bare, built

__all__ = ["bare", "built"]
