"""A claim: one statement of the theory as an executable that can fail.

A claim ships its own doubt: `controls` run the same machinery where the statement must *not* come out consistent (a
hypothesis off by one, a layer left out, a solver stopped early). A claim whose controls do not come out as expected
has shown nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ntklora.sweeps.profile import Profile as Profile
from ntklora.theory.statements import Label as Label

Numbers = float | Mapping[str, float] | None


class Outcome(StrEnum):
    """What the evidence says. Numerics never prove: `consistent` is the best that can happen to a statement."""

    consistent = "consistent"
    refuted = "refuted"
    inconclusive = "inconclusive"
    inapplicable = "inapplicable"
    error = "error"


class Evidence(NamedTuple):
    """What a check found: `margin >= 0` means satisfied, in units of the tolerance; None where there is none."""

    outcome: Outcome
    predicted: Numbers
    measured: Numbers
    margin: float | None


# Outside the hypotheses a statement says nothing: what a check returns there, whatever it would have measured.
INAPPLICABLE = Evidence(Outcome.inapplicable, None, None, None)


@dataclass(frozen=True)
class Control:
    """A check with another outcome: the mathematics is changed, never the number that is compared."""

    name: str
    expected: Outcome
    check: Callable[[Profile], Evidence]


@dataclass(frozen=True)
class Claim:
    """A statement with its id (ASCII, that of the theory document), source, label, check and controls.

    `version` is the check's: raise it whenever the same profile would give other numbers.
    """

    id: str
    statement: str
    source: str
    label: Label
    version: int
    check: Callable[[Profile], Evidence]
    controls: tuple[Control, ...]

    def __post_init__(self) -> None:
        if not self.id.isascii() or self.id.strip() != self.id or not self.id:
            raise ValueError(f"Claim.id is {self.id!r}: expected a non-empty ASCII id of the theory document")
        if self.version < 1:
            raise ValueError(f"claim {self.id}: version is {self.version}; versions count from 1")
        if not self.controls:
            raise ValueError(f"claim {self.id} has no control: add one that must not come out consistent")
