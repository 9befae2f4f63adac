"""Running claims: an exception is an outcome, not the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import NamedTuple

from ntklora.claims.claim import Claim, Control, Evidence, Numbers, Outcome
from ntklora.sweeps.failure import describe_failure
from ntklora.sweeps.profile import Profile

_WORST_FIRST = (Outcome.error, Outcome.refuted, Outcome.inconclusive, Outcome.consistent, Outcome.inapplicable)


class ControlResult(NamedTuple):
    """A control's outcome beside the one it must have."""

    name: str
    expected: Outcome
    outcome: Outcome
    reason: str | None = None

    @property
    def as_expected(self) -> bool:
        """Whether the control did its work."""
        return self.outcome is self.expected


class ClaimResult(NamedTuple):
    """A claim with its evidence, its controls, and why it failed to run where it did."""

    claim: Claim
    outcome: Outcome
    predicted: Numbers
    measured: Numbers
    margin: float | None
    controls: tuple[ControlResult, ...]
    seconds: float
    reason: str | None = None


def run_claim(claim: Claim, profile: Profile) -> ClaimResult:
    """Check a claim and its controls; whatever they raise is recorded as outcome `error` with its reason."""
    start = perf_counter()
    evidence, reason = _attempt(claim.check, profile)
    controls = tuple(_run_control(control, profile) for control in claim.controls)
    return ClaimResult(claim, *evidence, controls, perf_counter() - start, reason)


def worst_outcome(results: Sequence[ClaimResult]) -> Outcome:
    """The worst of error, refuted, inconclusive, consistent; `inapplicable` only where nothing else came out."""
    return worst_of(result.outcome for result in results)


def worst_of(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of some outcomes, as `worst_outcome` has it."""
    seen = set(outcomes)
    return next((outcome for outcome in _WORST_FIRST if outcome in seen), Outcome.inapplicable)


def exit_status(results: Sequence[ClaimResult]) -> int:
    """3 where a claim or control failed to run, 1 where one is refuted, inconclusive or not as expected, else 0."""
    controls = [control for result in results for control in result.controls]
    outcomes = {result.outcome for result in results}
    if Outcome.error in outcomes or any(control.outcome is Outcome.error for control in controls):
        return 3
    if outcomes & {Outcome.refuted, Outcome.inconclusive} or not all(control.as_expected for control in controls):
        return 1
    return 0


def _run_control(control: Control, profile: Profile) -> ControlResult:
    evidence, reason = _attempt(control.check, profile)
    return ControlResult(control.name, control.expected, evidence.outcome, reason)


def _attempt(check: Callable[[Profile], Evidence], profile: Profile) -> tuple[Evidence, str | None]:
    # One claim that breaks must not take the others with it: this is the border where an exception becomes a row.
    try:
        return check(profile), None
    except Exception as error:
        return Evidence(Outcome.error, None, None, None), describe_failure(error)
