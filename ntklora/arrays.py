"""One mathematics for two kinds of array.

Certificates are computed in NumPy float64 on the host, whatever JAX's x64 flag or device; solvers run the same formulas
inside `jit`. So the formulas are written against the *namespace* of the arrays they are given.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np


def namespace(*arrays: Any) -> Any:
    """The module whose functions fit these arrays: `numpy` if all are NumPy's, `jax.numpy` as soon as one is JAX's.

    Errors: `TypeError` when something is no array at all.
    """
    for array in arrays:
        if not isinstance(array, np.ndarray | np.generic | int | float):
            return array.__array_namespace__()
    return np


def as_array(value: Any) -> Any:
    """`value` itself if it is an array (NumPy's, JAX's, or a tracer), a NumPy array of it otherwise."""
    return value if hasattr(value, "__array_namespace__") else np.asarray(value)


def outline(record: Any) -> str:
    """A record on a screen: its fields, with dtype and shape in the place of arrays.

    >>> print(outline({"alpha": np.zeros((3, 1)), "gap": 0.5}))
    {'alpha': f64[3,1](numpy), 'gap': 0.5}
    """
    return eqx.tree_pformat(record)


def on_host(array: Any) -> np.ndarray:
    """The array as NumPy's: float64 if it is of floats, unchanged otherwise (class indices stay integers).

    No copy where it is that already: what comes from here is read, never written to.
    """
    host = np.asarray(array)
    return host.astype(np.float64, copy=False) if np.issubdtype(host.dtype, np.floating) else host
