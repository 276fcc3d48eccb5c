"""Moves weights between published layouts, the suite's own names, and file formats.

Imports no framework, ever: files are read and written as data.
"""
