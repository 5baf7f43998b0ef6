from report_build import build

__all__ = ["build"]
