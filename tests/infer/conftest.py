from encoder import head, model
from hostile import memory, path
from small import classifier

__all__ = ["classifier", "head", "memory", "model", "path"]
