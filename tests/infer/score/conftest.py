from scoring import many

__all__ = ["many"]
