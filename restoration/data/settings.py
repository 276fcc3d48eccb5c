from dataclasses import dataclass
from typing import Any, ClassVar

from restoration.training.settings import STRICT


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    __pydantic_config__: ClassVar[Any] = STRICT
    kind: str = "synthetic"
    """Kind."""
    crop_px: int = 256
    """Side."""
