from checkout import bare, built, environments, tiny

__all__ = ["bare", "built", "environments", "tiny"]
