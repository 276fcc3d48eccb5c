"""Everything about image restoration that does not depend on a framework.

Intensities are float32 RGB in [0, 1], arrays are (n, c, h, w). Nothing in this package imports
PyTorch, Jittor or MindSpore, directly or through another module; `tests/mirror/test_imports.py`
checks it. What stands here is looked up when it is first used, so importing the package costs
nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restoration.errors import ExitCode, InputError, RestorationError, UnavailableError
    from restoration.images import Image, read_image, write_image
    from restoration.inference.restorer import Restorer
    from restoration.models.model import Model
    from restoration.models.registry import MODELS, find
    from restoration.models.spec import Spec

__version__ = "0.1.0"

__all__ = [
    "MODELS",
    "ExitCode",
    "Image",
    "InputError",
    "Model",
    "RestorationError",
    "Restorer",
    "Spec",
    "UnavailableError",
    "__version__",
    "find",
    "read_image",
    "write_image",
]

_HOMES = {
    "restoration.errors": ("ExitCode", "InputError", "RestorationError", "UnavailableError"),
    "restoration.images": ("Image", "read_image", "write_image"),
    "restoration.inference.restorer": ("Restorer",),
    "restoration.models.model": ("Model",),
    "restoration.models.registry": ("MODELS", "find"),
    "restoration.models.spec": ("Spec",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
