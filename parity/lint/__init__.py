"""Static checks of a port's source for the traps of docs/porting; no framework is imported.

source.py    a file: its syntax tree, what its names mean, what it calls
rule.py      what a rule is; the rules stand in a file per topic, registry.py has all
check.py     runs the rules over files and folders
"""
