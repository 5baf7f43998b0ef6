"""What a run came to: the ablation, and the run beside the notebook and the guide. Runs in the report environment."""
