"""The claims as an experiment, so that the report reads verdicts from the store like every other number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ntklora.claims.claim import Evidence, Outcome, Profile
from ntklora.claims.registry import all_claims, select_claims
from ntklora.claims.run import ClaimResult, ControlResult, run_claim
from ntklora.strict_json import strict_dumps
from ntklora.sweeps.experiment import Column, Experiment, Row

# A claim with its controls takes as long as some fifty cells of the other experiments.
_COST = 50.0

COLUMNS = (
    Column("outcome", str, "what the evidence says of the statement"),
    Column("predicted", str, "JSON: a number, an object of numbers, or null"),
    Column("measured", str, "JSON: a number, an object of numbers, or null"),
    Column("margin", float, "at least 0 where satisfied, in units of the tolerance"),
    Column("controls", str, "JSON: name, expected and found outcome of each control"),
)


@dataclass(frozen=True)
class ClaimRun:
    """One claim at one profile."""

    claim: str
    """Its id."""
    claim_version: int
    """The claim's own version: another one is another cell."""
    claim_profile: Profile
    """How much evidence."""


def claims_experiment() -> Experiment:
    """One cell per claim and profile; a claim's own version is part of the cell, hence of the key."""
    grids = {
        profile: tuple(
            {"claim": claim.id, "claim_version": claim.version, "claim_profile": profile.value}
            for claim in all_claims()
        )
        for profile in Profile
    }
    question = "What does the evidence say of each statement of the theory?"
    return Experiment(
        "claims", 1, question, ClaimRun, COLUMNS, grids, _run, chunk=1, shape=lambda asked: asked.claim, cost=_COST
    )


def results_of(rows: Sequence[Row]) -> list[ClaimResult]:
    """The stored results, beside the claims as the code has them now."""
    return [_result(row) for row in rows]


def _run(asked: ClaimRun) -> Row:
    (claim,) = select_claims([asked.claim])
    result = run_claim(claim, Profile(asked.claim_profile))
    failed = [f"{each.name}: {each.reason}" for each in result.controls if each.outcome is Outcome.error]
    if result.reason is not None or failed:  # a failed row, so that the next run tries again
        raise RuntimeError("; ".join([*([result.reason] if result.reason else []), *failed]))
    controls = [control._asdict() for control in result.controls]
    return {
        "outcome": result.outcome,
        "predicted": strict_dumps(result.predicted),
        "measured": strict_dumps(result.measured),
        "margin": result.margin,
        "controls": strict_dumps(controls),
    }


def _result(row: Row) -> ClaimResult:
    (claim,) = select_claims([row["claim"]])
    if row["outcome"] is None:
        return ClaimResult(claim, *Evidence(Outcome.error, None, None, None), (), row["seconds"], row["reason"])
    controls = tuple(
        ControlResult(each["name"], Outcome(each["expected"]), Outcome(each["outcome"]), each["reason"])
        for each in json.loads(row["controls"])
    )
    evidence = Evidence(
        Outcome(row["outcome"]), json.loads(row["predicted"]), json.loads(row["measured"]), row["margin"]
    )
    return ClaimResult(claim, *evidence, controls, row["seconds"])
