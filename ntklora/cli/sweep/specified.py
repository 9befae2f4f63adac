"""What the commands share that read a specification."""

from __future__ import annotations

from ntklora.cli.answer import Mistake
from ntklora.cli.sweep.commands import Plan, Run, Script
from ntklora.sweeps.spec import Specification, read_specification


def specification_of(options: Plan | Run | Script) -> Specification:
    """The specification that a command names, with its overrides and limits; a mistake in it is the person's."""
    limits = {"seconds": options.seconds, "memory": options.memory} if isinstance(options, Run) else {}
    precision = None if isinstance(options, Script) else options.precision
    try:
        return read_specification(options.spec, options.set, precision=precision, **limits)
    except ValueError as error:
        raise Mistake(str(error)) from error
