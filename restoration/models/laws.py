"""Laws that first weights are drawn by; a model's file says which of its tensors have which.

`restoration/training/initialization.py` draws them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Law = Literal["uniform", "xavier", "he", "orthogonal", "truncated_normal", "normal", "zeros"]
"""uniform: +-1/sqrt(fan-in), of a bias its layer's. xavier: +-sqrt(6 / (fan-in + fan-out)).
he: +-sqrt(6 / fan-in), which keeps the size of features through rectifiers.
orthogonal: rows or columns of the weight as a matrix, times 0.2. truncated_normal: deviation 0.02.
normal: deviation 1.
"""


@dataclass(frozen=True)
class Rule:
    """Which parameters a law is for: by pattern of names, and by axes of their layer's weight.

    axes: 2 for linear layers and tables, 4 for convolutions; None for any.
    """

    match: str
    law: Law
    axes: int | None = None


Rules = tuple[Rule, ...]
"""The first that matches counts; layers that none matches are uniform, what is no weight or bias of
a layer, as scales of norms, starts as the network's constants."""
