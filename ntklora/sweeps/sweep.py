"""A sweep: one experiment over some grids, in one precision. What a run computes and a folder of the store holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from ntklora.sweeps.experiment import Cell, Experiment, Grid
from ntklora.sweeps.keys import keys_of
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.parameters import cells_of
from ntklora.sweeps.profile import Profile


@dataclass(frozen=True)
class Sweep:
    """The cells are the union of the grids, in order; an axis that a grid leaves out takes its default.

    Errors: `ValueError`, when the cells are asked for, naming an axis that is unknown, empty or of another type.
    """

    experiment: Experiment
    grids: Sequence[Grid]
    numerics: Numerics = field(default_factory=Numerics)

    @staticmethod
    def of_profile(experiment: Experiment, profile: Profile) -> Sweep:
        """The experiment's own grids for this profile."""
        return Sweep(experiment, experiment.profiles.get(profile, ()))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell once."""
        try:
            return cells_of(self.experiment.parameters, self.grids)
        except ValueError as error:
            raise ValueError(f"experiment {self.experiment.name}: {error}") from error

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The addresses of the cells' rows, in the order of the cells."""
        return keys_of(self.experiment.name, self.experiment.version, self.cells, self.numerics)

    @cached_property
    def cut(self) -> str:
        """Names the cut into chunks: sweeps that agree on it compute a cell in the same slot."""
        return sha256(f"{self.experiment.chunk} {' '.join(self.keys)}".encode()).hexdigest()[:12]
