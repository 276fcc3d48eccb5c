"""Proves by measurement that implementations of one network agree, and finds where they do not.

The process that runs the command imports no framework: each one works in a process of its own
(`worker.py`), which measures and writes arrays; this side judges them (`judge/`).
"""
