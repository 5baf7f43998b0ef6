from checkout import bare, built
from hostile import memory, path

__all__ = ["bare", "built", "memory", "path"]
