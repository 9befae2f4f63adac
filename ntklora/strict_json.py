"""JSON that every reader accepts: no NaN, no Infinity, no NumPy."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any


def strict_dumps(content: Any, indent: int | None = None) -> str:
    """One strict document; NaN and infinities become null, arrays lists, enumerations their values.

    >>> strict_dumps({"gap": float("nan"), "ranks": (1, 2)})
    '{"gap": null, "ranks": [1, 2]}'
    """
    return json.dumps(plain(content), indent=indent, allow_nan=False)


def plain(content: Any) -> Any:
    """The same content in dicts, lists, strings, booleans, finite numbers and None."""
    if isinstance(content, Enum):
        return content.value
    if isinstance(content, Mapping):
        return {str(plain(key)): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    if hasattr(content, "tolist"):  # NumPy's and JAX's arrays and scalars
        return plain(content.tolist())
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
