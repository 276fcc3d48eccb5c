"""Checkpoints: where a file's weights are, whose they are, and how they are loaded and written."""
