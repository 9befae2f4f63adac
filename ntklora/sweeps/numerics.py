"""What determines a cell's numbers beside its parameters."""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple


class Numerics(NamedTuple):
    """The precision that arrays are computed in, `"float64"` or `"float32"`, and JAX's random generator.

    Certificates are float64 in both: of a `Vmapped` computation only the middle step is in the sweep's precision.
    """

    precision: str = "float64"
    prng: str = "threefry2x32-partitionable"


def current_numerics() -> Numerics:
    """The precision and random generator that JAX is set to now.

    Both of threefry's layouts count: the partitionable one, JAX's default, draws other numbers from the same key.
    """
    import jax

    config: Any = jax.config
    layout = "partitionable" if getattr(config, "jax_threefry_partitionable", True) else "sequential"
    precision = "float64" if config.jax_enable_x64 else "float32"
    return Numerics(precision, f"{config.jax_default_prng_impl}-{layout}")


def computes_with(numerics: Numerics) -> bool:
    """Whether JAX is set as a sweep of these numerics needs it: the same random generator, and x64 in any precision."""
    return current_numerics() == numerics._replace(precision="float64")


def set_numerics(numerics: Numerics) -> None:
    """Set JAX to these: now where it is imported already, else for when it will be, without importing it.

    x64 is on in both precisions, for what is done on the host.
    """
    generator, _, layout = numerics.prng.rpartition("-")
    settings: dict[str, Any] = {
        "jax_enable_x64": True,
        "jax_default_prng_impl": generator,
        "jax_threefry_partitionable": layout == "partitionable",
    }
    for name, value in settings.items():
        os.environ[name.upper()] = str(int(value)) if isinstance(value, bool) else value
    if "jax" in sys.modules:
        import jax

        for name, value in settings.items():
            if getattr(jax.config, name, value) != value:
                jax.config.update(name, value)
