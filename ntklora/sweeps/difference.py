"""How far two measured values are apart."""

from __future__ import annotations

import math
from typing import Any


def same_bits(one: Any, other: Any) -> bool:
    """Whether two plain values are the same to the last bit; NaN is NaN, 0.0 is not -0.0, 1 is not 1.0.

    >>> same_bits([0.1, None], [0.1, None]), same_bits(0.0, -0.0), same_bits(math.nan, math.nan)
    (True, False, True)
    """
    return repr(one) == repr(other)  # of a float `repr` names all bits


def largest_difference(one: Any, other: Any) -> float | None:
    """The largest |x - y| / max(|x|, |y|) of two numbers, or of two lists entry by entry.

    None where no number says it: texts, yes and no, a value beside None, lists of two lengths, NaN or infinity.

    >>> largest_difference(1.0, 1.25), largest_difference([1, 2], [1, 2]), largest_difference("a", "b")
    (0.2, 0.0, None)
    """
    if isinstance(one, list) and isinstance(other, list):
        sizes = [largest_difference(x, y) for x, y in zip(one, other, strict=False)]
        known = [size for size in sizes if size is not None]
        return max(known, default=0.0) if len(one) == len(other) and len(known) == len(sizes) else None
    if not (_is_finite(one) and _is_finite(other)):
        return None
    return abs(one - other) / max(abs(one), abs(other)) if one != other else 0.0


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
