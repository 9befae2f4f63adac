"""Keys: the address of a cell's row is a hash of everything that determines its numbers, and of nothing else.

    sha256 of {"cell":{...},"experiment":"...","precision":"...","prng":"...","version":...}, the first 32 digits

as JSON with sorted names and no spaces. Host, device, chunk and library versions are provenance: they stand beside the
row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256

from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.parameters import Cell, Scalar

_DIGITS = 32


def keys_of(experiment: str, version: int, cells: Iterable[Cell], numerics: Numerics) -> tuple[str, ...]:
    """The keys of cells, in their order; the values of one parameter are of one type, as a sweep's cells have them.

    A value is serialized once, not once per cell: a hundred thousand keys take a third of a second instead of one.

    >>> cell = {"rungs": 2, "wood": "ash"}
    >>> content = '{"cell":{"rungs":2,"wood":"ash"},"experiment":"ladder","precision":"p","prng":"g","version":1}'
    >>> keys_of("ladder", 1, [cell], Numerics("p", "g")) == (sha256(content.encode()).hexdigest()[:32],)
    True
    """
    around = {"experiment": experiment, "version": version, **numerics._asdict()}
    rest = _json(around)
    assert min(around) > "cell"
    tail = f"}},{rest[1:]}"
    pieces: dict[str, _Pieces] = {}
    names: tuple[str, ...] = ()
    columns: list[tuple[str, _Pieces]] = []
    keys = []
    for cell in cells:
        if tuple(cell) != names:
            names = tuple(cell)
            columns = [(name, pieces.setdefault(name, _Pieces(name))) for name in sorted(names)]
        inside = ",".join([piece[cell[name]] for name, piece in columns])
        keys.append(sha256(f'{{"cell":{{{inside}{tail}'.encode()).hexdigest()[:_DIGITS])
    return tuple(keys)


class _Pieces(dict[Scalar, str]):
    """`"name":value` by value, serialized when first asked for."""

    def __init__(self, name: str) -> None:
        self.name = _json(name)

    def __missing__(self, value: Scalar) -> str:
        piece = f"{self.name}:{_json(value)}"
        if value != 0 or not isinstance(value, float):  # 0.0 and -0.0 are equal and written in two ways
            self[value] = piece
        return piece


def _json(content: object) -> str:
    return json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":"))
