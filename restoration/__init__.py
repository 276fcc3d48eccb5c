"""Everything about image restoration that does not depend on a framework.

Intensities are float32 RGB in [0, 1], arrays are (n, c, h, w). Nothing in this package imports
PyTorch, Jittor or MindSpore, directly or through another module; `tests/test_imports.py` checks it.
"""
