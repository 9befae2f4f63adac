"""What several callers need is computed once, also where they run on threads side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from threading import Lock, RLock
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Value = TypeVar("Value")


def shared(maxsize: int) -> Callable[[Callable[Given, Value]], Callable[Given, Value]]:
    """Keep a function's `maxsize` latest values, as `functools.lru_cache` does; threads that ask for one wait for it.

    `lru_cache` would have each of them compute it. An exception is raised and not kept.
    `cache_clear()` forgets all.

    >>> @shared(maxsize=2)
    ... def square(x):
    ...     print("computed")
    ...     return x * x
    >>> square(3), square(3)
    computed
    (9, 9)
    """

    def decorate(function: Callable[Given, Value]) -> Callable[Given, Value]:
        finding = Lock()
        places = lru_cache(maxsize)(lambda *args, **kwargs: _Place())

        @wraps(function)
        def value(*args: Given.args, **kwargs: Given.kwargs) -> Value:
            with finding:
                place = places(*args, **kwargs)  # type: ignore[arg-type]
            with place.filling:
                if not place.filled:
                    place.value, place.filled = function(*args, **kwargs), True
            return place.value

        value.cache_clear = places.cache_clear  # type: ignore[attr-defined]
        return value

    return decorate


class _Place:
    """Where a value is, or will be."""

    def __init__(self) -> None:
        self.filling = RLock()  # a function that asks for its own value recurses without end, and says so
        self.filled = False
        self.value: Any = None
