"""Every claim of this folder: each module that defines `claim` or `claims` is listed, nothing else needs to know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from ntklora.claims.claim import Claim

# Existence, landscape and generalization; their corollary; lemmas; beyond linear; initialization; then the methods.
_ORDER = ("T", "C", "L", "KKR", "H")


def all_claims() -> tuple[Claim, ...]:
    """All claims in the theory document's order; two with one id are a ValueError."""
    found: dict[str, Claim] = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = import_module(f"ntklora.claims.{path.stem}")
        own = [*getattr(module, "claims", ()), *([module.claim] if hasattr(module, "claim") else [])]
        for claim in own:
            if claim.id in found:
                raise ValueError(f"claim id {claim.id!r} is defined twice, the second time in {path.name}")
            found[claim.id] = claim
    return tuple(sorted(found.values(), key=lambda claim: _rank(claim.id)))


def select_claims(ids: Sequence[str]) -> tuple[Claim, ...]:
    """The named claims in the theory document's order, all of them for no name; an unknown id names the nearest."""
    claims = {claim.id: claim for claim in all_claims()}
    for wanted in ids:
        if wanted not in claims:
            raise ValueError(f"unknown claim {wanted!r}: {_nearest(wanted, list(claims))}")
    return tuple(claim for claim in claims.values() if not ids or claim.id in ids)


def _nearest(wanted: str, ids: Sequence[str]) -> str:
    folded = {name.casefold(): name for name in ids}
    close = get_close_matches(wanted.casefold(), list(folded), n=1, cutoff=0.0)
    return f"did you mean {folded[close[0]]!r}? All: {', '.join(ids)}" if close else "there are no claims"


def _rank(name: str) -> tuple[int, int, int, str]:
    match = re.match(r"([A-Z]+)(\d*)", name)
    if match is None or match[1] not in _ORDER:
        return len(_ORDER), 0, 0, name
    return _ORDER.index(match[1]), int(match[2] or 0), len(name), name
