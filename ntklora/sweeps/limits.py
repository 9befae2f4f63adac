"""What a cell may use before it is stopped and recorded as failed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Seconds of one cell, and GiB of resident memory of the process that computes it; None: no limit.

    The first cell of a shape is compiled in its time; finding the experiment and importing JAX is not counted.
    """

    seconds: float | None = None
    memory: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("seconds", self.seconds), ("memory", self.memory)):
            if value is not None and not value > 0:
                raise ValueError(f"the limit of {name} is {value}: expected a positive number, or none")

    def over(self, others: Limits) -> Limits:
        """These, and those of `others` where these say nothing."""
        return Limits(
            others.seconds if self.seconds is None else self.seconds,
            others.memory if self.memory is None else self.memory,
        )
