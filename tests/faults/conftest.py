from checkout import bare, built, environments

__all__ = ["bare", "built", "environments"]
