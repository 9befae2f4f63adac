"""Certified results need float64; this package never switches it on by itself."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

# Platforms, in JAX's words, where a float64 is one. A TPU has none: XLA lets pairs of narrower numbers stand for it,
# with fewer bits than Newton's last steps need.
_WITH_FLOAT64 = ("cpu", "gpu", "cuda", "rocm")


def require_float64(what: str) -> None:
    """Errors: `ValueError` with the mend when JAX's x64 flag is off."""
    if jax.dtypes.canonicalize_dtype(np.float64) != np.float64:
        raise ValueError(
            f'{what} needs float64: call jax.config.update("jax_enable_x64", True) before the first JAX array is made '
            "(or set the environment variable JAX_ENABLE_X64=1)"
        )


def float64_device() -> jax.Device:
    """JAX's default device where that computes in float64, else the host's processor.

    Errors: `ValueError` where there is neither.
    """
    device = jnp.empty(0).device
    assert isinstance(device, jax.Device)
    if device.platform in _WITH_FLOAT64:
        return device
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError as error:
        raise ValueError(
            f"a {device.platform} has no float64, and JAX was told to leave the processor out: set JAX_PLATFORMS="
            f'"{device.platform},cpu"'
        ) from error
