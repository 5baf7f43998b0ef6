from training import checkpoint, data_dir, l12, minilm, tiny, trained

__all__ = ["checkpoint", "data_dir", "l12", "minilm", "tiny", "trained"]
