"""What the pipeline starts from: verified downloads, weights as a TF1 checkpoint, reviews as examples."""
