"""`ntklora`: from the arguments to an exit status."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import Any

from ntklora.cli.answer import INTERRUPTED, MISTAKE, OK, PARTIAL, Answer, Mistake, Unfinished
from ntklora.cli.usage import one_line
from ntklora.environment import prepare_environment
from ntklora.strict_json import strict_dumps
from ntklora.sweeps.numerics import Numerics, set_numerics
from ntklora.version import __version__

SCHEMA = 1  # of the JSON documents


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Nothing that the person can mend ends in a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that has no λ gets its number: no fault of anybody's
            stream.reconfigure(errors="backslashreplace")
    if list(arguments) == ["--version"]:
        print(__version__)
        return OK
    try:
        options = _parse(arguments)
        answer = _run(options)
        _print(answer, options.json)
        return answer.status
    except Mistake as mistake:
        print(f"ntklora: {mistake}", file=sys.stderr)
        return MISTAKE
    except Unfinished as reason:
        print(f"ntklora: {reason}", file=sys.stderr)
        return PARTIAL
    except KeyboardInterrupt as interruption:
        print(f"ntklora: interrupted; {str(interruption) or 'run the command again'}", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as leaving:  # help was shown
        return int(leaving.code or OK)
    except Exception:  # a fault of this program, not the person's: say so, and end as what failed to run
        traceback.print_exc()
        print("ntklora: this is an error in ntklora; please report the lines above", file=sys.stderr)
        return PARTIAL


def _parse(arguments: Sequence[str]) -> Any:
    import tyro

    from ntklora.cli.commands import Command

    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return tyro.cli(
                Command,
                prog="ntklora",
                description="The theory of low-rank adaptation in the neural-tangent-kernel regime, checked.",
                args=list(arguments),
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as leaving:
        if leaving.code:
            raise Mistake(one_line(box.getvalue())) from None
        _say(lambda: None)  # the help
        raise
    except BrokenPipeError:  # in the middle of the help
        _stop_saying()
        raise SystemExit(OK) from None


def _run(options: Any) -> Answer:
    prepare_environment()
    set_numerics(Numerics())  # certificates need float64; JAX is left to the commands that compute
    command = type(options)  # defined in a file `commands`, run by the file beside it that has its name
    module = import_module(f"{command.__module__.rpartition('.')[0]}.{command.__name__.lower()}")
    with redirect_stdout(sys.stderr):  # standard output belongs to the answer
        return module.run(options)


def _print(answer: Answer, as_json: bool) -> None:
    if as_json:
        _say(lambda: print(strict_dumps({"schema": SCHEMA, "version": __version__, **answer.document}, indent=2)))
    else:
        _say(answer.show)


def _say(show: Callable[[], None]) -> None:
    try:
        show()
        sys.stdout.flush()
    except BrokenPipeError:
        _stop_saying()


def _stop_saying() -> None:
    """Whoever reads, `head` say, has seen enough; Python flushes once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
