from hostile import path

__all__ = ["path"]
