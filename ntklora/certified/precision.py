"""Certified results need float64; this package never switches it on by itself."""

from __future__ import annotations

import jax
import numpy as np


def require_float64(what: str) -> None:
    """Errors: `ValueError` with the mend when JAX's x64 flag is off."""
    if jax.dtypes.canonicalize_dtype(np.float64) != np.float64:
        raise ValueError(
            f'{what} needs float64: call jax.config.update("jax_enable_x64", True) before the first JAX array is made '
            "(or set the environment variable JAX_ENABLE_X64=1)"
        )
