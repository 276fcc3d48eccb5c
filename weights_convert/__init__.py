"""Moves weights between published layouts, the suite's own names, and file formats.

Imports no framework, ever: files are read and written as data. `load_weights` gives weights of a
known model as arrays; `convert`, `inspect`, `diff`, `verify` and `scan` are what the command
`weights-convert` offers.
"""

from weights_convert.checkpoints.loading import LoadedWeights, load_weights
from weights_convert.commands.conversion import Conversion, convert
from weights_convert.commands.difference import Difference, TensorDifference, diff
from weights_convert.commands.inspection import Inspection, TensorInfo, inspect
from weights_convert.commands.scanning import Finding, Scan, scan
from weights_convert.commands.verification import RoundTrip, Verification, verify
from weights_convert.errors import MismatchError, OutputError

__all__ = [
    "Conversion",
    "Difference",
    "Finding",
    "Inspection",
    "LoadedWeights",
    "MismatchError",
    "OutputError",
    "RoundTrip",
    "Scan",
    "TensorDifference",
    "TensorInfo",
    "Verification",
    "convert",
    "diff",
    "inspect",
    "load_weights",
    "scan",
    "verify",
]
