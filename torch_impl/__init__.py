"""The reference implementation, in PyTorch."""
