"""What a caller may get wrong in arguments that many functions share, found where they come in."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, SupportsFloat, TypeVar

import jax
import numpy as np

_Kind = TypeVar("_Kind", bound=StrEnum)


def whole_number(what: str, value: Any, least: int) -> int:
    """`value` as an integer of at least `least`; `1e4` is one.

    Errors: `ValueError` with the argument's name, what came and what was expected.

    >>> whole_number("steps", 1e4, 0)
    10000
    """
    number = isinstance(value, SupportsFloat) and not isinstance(value, np.ndarray | jax.Array)
    if not number or not float(value).is_integer() or value < least:
        raise ValueError(f"{what} must be a whole number >= {least}, got {value!r}")
    return int(value)


def one_of(what: str, value: Any, kind: type[_Kind]) -> _Kind:
    """The member of `kind` that `value` is or names.

    Errors: `ValueError`, which lists the members, for anything else.
    """
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{what} must be one of {', '.join(kind)}, got {value!r}") from None


def require_key(key: Any) -> None:
    """Nothing for a random key of JAX, new or old style. Errors: `ValueError` for anything else, a seed say."""
    dtype = getattr(key, "dtype", None)
    if dtype is None or not (jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key) or dtype == np.uint32):
        raise ValueError(f"key must be a random key of JAX, such as jax.random.key(0), got {key!r}")


def require_rate(learning_rate: Any) -> None:
    """Nothing for None, an array or a positive number. Errors: `ValueError` for another number, or a word."""
    if isinstance(learning_rate, str) or (isinstance(learning_rate, int | float) and not 0 < learning_rate < np.inf):
        raise ValueError(f"learning_rate must be a positive number, got {learning_rate!r}")


def require_optimizer(optimizer: Any) -> None:
    """Nothing for None or a gradient transformation of optax. Errors: `ValueError` for anything else, a name say."""
    if optimizer is not None and not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise ValueError(f"optimizer must be one of optax, such as optax.adam(1e-2), got {optimizer!r}")
