"""The part of `ntklora verify` that proves: shipped spurious minima and their controls, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ntklora.claims.claim import Label, Outcome
from ntklora.cli.answer import Mistake
from ntklora.cli.tables import show_table
from ntklora.sweeps.progress import show_progress

if TYPE_CHECKING:
    from ntklora.proof.cases import CaseProof
    from ntklora.proof.spurious import Proof

_COLUMNS = ("instance", "statement (derived)", "stationary point", "how strict", "F, F elsewhere", "excess", "verdict")


def run_proofs() -> tuple[CaseProof, ...]:
    """Every shipped case and control. Errors: `Mistake` where the extra `proof` is not installed."""
    try:
        from ntklora.proof.cases import control_cases, prove_case, spurious_cases
    except ImportError as error:
        raise Mistake(f"verify --proof: {error}") from error
    cases, proofs = (*spurious_cases(), *control_cases()), []
    with show_progress("proof", len(cases), "cases") as advance:
        for case in cases:
            proofs.append(prove_case(case))
            advance(not proofs[-1].as_expected)
    return tuple(proofs)


def proof_outcomes(proofs: Sequence[CaseProof]) -> list[Outcome]:
    """What the instances say of their statements: consistent where proved, else inconclusive. Controls say nothing."""
    return [Outcome.consistent if each.as_expected else Outcome.inconclusive for each in _instances(proofs)]


def proofs_document(proofs: Sequence[CaseProof]) -> dict[str, Any]:
    """`instances` and `controls` with all certified numbers; intervals as [lower, upper], null if not reached."""
    return {
        "instances": [_record(each) for each in _instances(proofs)],
        "controls": [
            _record(each) | {"expected": each.case.expected, "as_expected": each.as_expected}
            for each in _controls(proofs)
        ],
    }


def show_proofs(console: Console, proofs: Sequence[CaseProof]) -> None:
    """The table, and a sentence that counts."""
    show_table(console, _COLUMNS, [_line(each) for each in proofs])
    instances, controls = _instances(proofs), _controls(proofs)
    console.print(
        f"proved: {sum(each.as_expected for each in instances)} of {len(instances)} spurious minima; "
        f"{sum(each.as_expected for each in controls)} of {len(controls)} controls stopped where they must"
    )


def _line(each: CaseProof) -> tuple[str, ...]:
    proof = each.proof
    said = proof.verdict.value if each.as_expected else f"NOT AS EXPECTED: {proof.verdict.value}"
    excess = proof.relative_excess
    return (
        f"{each.case.name}\nN={each.num_samples}, data {each.data}",
        each.case.statement,
        _place(proof),
        _depth(proof),
        f"{_shown(proof.objective)}\n{_shown(proof.better)}",
        "" if excess is None else f"{_shown(proof.excess)}\n≥ {_down(excess.lower, 4)} F",
        f"{said}\n{proof.message}",
    )


def _record(each: CaseProof) -> dict[str, Any]:
    proof = each.proof
    return {
        "name": each.case.name,
        "statement": each.case.statement,
        "label": Label.derived,
        "rank": each.rank,
        "num_samples": each.num_samples,
        "data": each.data,
        "outcome": proof.verdict,
        "reason": proof.message,
        "radius": proof.radius,
        "moved": proof.moved,
        "curvature": proof.curvature,
        "basin": proof.basin,
        "barrier": proof.barrier,
        "objective": proof.objective,
        "better": proof.better,
        "excess": proof.excess,
        "relative_excess": proof.relative_excess,
    }


def _instances(proofs: Sequence[CaseProof]) -> list[CaseProof]:
    return [each for each in proofs if each.must_be_proved]


def _controls(proofs: Sequence[CaseProof]) -> list[CaseProof]:
    return [each for each in proofs if not each.must_be_proved]


def _place(proof: Proof) -> str:
    if proof.radius is None or proof.moved is None:
        return ""
    return f"one within {_up(proof.radius, 2)}\n{_up(proof.moved, 2)} from the point given"


def _depth(proof: Proof) -> str:
    if proof.curvature is None or proof.barrier is None:
        return ""
    return f"curvature ≥ {_down(proof.curvature, 4)}\nbarrier ≥ {_down(proof.barrier, 2)}"


def _shown(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"[{_down(interval[0], 8)}, {_up(interval[1], 8)}]"


def _down(value: float, digits: int) -> str:
    """Rounded so that it stays a lower bound."""
    return str(Context(digits, ROUND_FLOOR).create_decimal_from_float(value))


def _up(value: float, digits: int) -> str:
    """Rounded so that it stays an upper bound."""
    return str(Context(digits, ROUND_CEILING).create_decimal_from_float(value))
