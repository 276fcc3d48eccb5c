"""Pickles as data: what they hold is built, what they would call is never called.

`machine.py` runs a pickle's operations on plain data. `meanings.py` lists the few names that mean
something here, and what a checkpoint's calls of them stand for. `writer.py` writes pickles.
"""
