"""The results of a run: the ablation, and the comparison with the notebook and the guide. Runs in report."""
