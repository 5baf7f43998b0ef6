"""Proof of a build: its stages made again and compared, and a bundle of what a paper's artifact needs."""
