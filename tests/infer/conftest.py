from small import classifier

__all__ = ["classifier"]
