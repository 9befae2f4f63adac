"""How much work a run asks for."""

from __future__ import annotations

from enum import StrEnum


class Profile(StrEnum):
    """`smoke` shows that everything runs (two minutes), `default` is what the report shows, `full` takes hours."""

    smoke = "smoke"
    default = "default"
    full = "full"
