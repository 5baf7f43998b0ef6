from training import data_dir, l12, minilm, tiny

__all__ = ["data_dir", "l12", "minilm", "tiny"]
