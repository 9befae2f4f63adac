"""`ntklora`: from the arguments to an exit status."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import Any

from ntklora.cli.answer import INTERRUPTED, MISTAKE, OK, PARTIAL, Answer, Mistake, Unfinished
from ntklora.environment import prepare_environment
from ntklora.strict_json import strict_dumps
from ntklora.sweeps.numerics import Numerics, set_numerics
from ntklora.version import __version__

SCHEMA = 1  # of the JSON documents


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Nothing that the person can mend ends in a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
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
            raise Mistake(_one_line(box.getvalue())) from None
        raise


def _run(options: Any) -> Answer:
    prepare_environment()
    set_numerics(Numerics())  # certificates need float64; JAX is left to the commands that compute
    command = type(options)  # defined in a file `commands`, run by the file beside it that has its name
    module = import_module(f"{command.__module__.rpartition('.')[0]}.{command.__name__.lower()}")
    with redirect_stdout(sys.stderr):  # standard output belongs to the answer
        return module.run(options)


def _print(answer: Answer, as_json: bool) -> None:
    try:
        if as_json:
            print(strict_dumps({"schema": SCHEMA, "version": __version__, **answer.document}, indent=2))
        else:
            answer.show()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads, `head` say, has seen enough; Python flushes once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _one_line(box: str) -> str:
    """A drawn box as one sentence: the frame's characters and the rules between paragraphs taken off."""
    lines = [" ".join(line.strip("╭╮╰╯│─ ").split()) for line in box.splitlines()]
    title, *words = [line for line in lines if line] or ["wrong usage"]
    return f"{title[0].lower()}{title[1:]}: {' '.join(words)}"
