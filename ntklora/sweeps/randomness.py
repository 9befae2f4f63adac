"""Random keys of a cell, derived from its seed and its parameters in one way.

    key(seed) ── fold_in(hash of the stream's name and of the named parameters' values) ──> key of the stream

What a stream depends on is said where it is used: data that all ranks share are drawn from the seed alone,
`stream_key("data", seed)`; starts that differ from cell to cell from `stream_key("starts", seed, rank=4)`. Draws on the
host come from `stream_generator`, NumPy's, derived in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from ntklora.sweeps.parameters import Scalar

if TYPE_CHECKING:
    import jax
    import numpy as np


def stream_key(stream: str, seed: int, **parameters: Scalar) -> jax.Array:
    """The key of one stream: the same for the same seed and parameters on every machine, unrelated otherwise.

    >>> import jax
    >>> same = stream_key("starts", 3, rank=2) == stream_key("starts", 3, rank=2)
    >>> bool(same), bool(stream_key("starts", 3, rank=2) == stream_key("starts", 3, rank=4))
    (True, False)
    """
    import jax

    return jax.random.fold_in(jax.random.key(seed), _folded(stream, parameters))


def stream_generator(stream: str, seed: int, **parameters: Scalar) -> np.random.Generator:
    """NumPy's generator of one stream: the same for the same seed and parameters on every machine.

    >>> float(stream_generator("data", 3).normal()) == float(stream_generator("data", 3).normal())
    True
    """
    import numpy as np

    return np.random.default_rng([seed, _folded(stream, parameters)])


def _folded(stream: str, parameters: Mapping[str, Scalar]) -> int:
    content = json.dumps([stream, parameters], sort_keys=True, allow_nan=False)
    return int.from_bytes(sha256(content.encode()).digest()[:4], "big")
