"""The one type of everything that goes in and out: NumPy arrays by name."""

from __future__ import annotations

import numpy as np

Arrays = dict[str, np.ndarray]
