"""The statements by their ids, and where each comes from: no statement is shown without its label."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum


class Label(StrEnum):
    """Where a statement comes from."""

    paper = "paper"  # stated by the cited paper
    derived = "derived"  # derived here
    reconstructed = "reconstructed"  # the paper has one of this kind; its constants are derived here


LABELS: Mapping[str, Label] = {
    "T1": Label.paper,
    "T1-span": Label.derived,
    "T1-blocks": Label.derived,
    "T2": Label.paper,
    "T2-prime": Label.derived,
    "T2-strict": Label.derived,
    "T2-worst": Label.derived,
    "T2-zero": Label.derived,
    "C1": Label.paper,
    "T3": Label.reconstructed,
    "KKR": Label.paper,
    "KKR-identity": Label.derived,
    "KKR-distance": Label.derived,
    "KKR-norm": Label.derived,
    "KKR-rank": Label.derived,
    **{f"H{number}": Label.derived for number in range(1, 11)},
}


def with_labels(text: str) -> str:
    """The text with every statement's label behind the first mention of its id.

    >>> with_labels("As T2-strict demands; below T2's bound, T2-strict is silent.")
    "As T2-strict [derived] demands; below T2's [paper] bound, T2-strict is silent."
    """
    shown: set[str] = set()

    def mention(match: re.Match[str]) -> str:
        name = match["name"]
        known = name in shown or match["label"] is not None
        shown.add(name)
        return match[0] if known else f"{match[0]} [{LABELS[name]}]"

    names = "|".join(sorted(map(re.escape, LABELS), key=len, reverse=True))
    return re.sub(rf"(?<![\w-])(?P<name>{names})(?![\w-])(?:['’]s)?(?P<label> \[\w+\])?", mention, text)
