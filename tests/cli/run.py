"""The command line as a person runs it: another process, its two streams and its exit status."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from ntklora.cli.main import main; sys.exit(main())"


class Done(NamedTuple):
    """What a finished command left behind."""

    status: int
    out: str
    err: str

    @property
    def document(self):
        """The one strict JSON document on standard output."""

        def refuse(constant):
            raise AssertionError(f"{constant} is no strict JSON")

        return json.loads(self.out, parse_constant=refuse)


def command(*arguments, cwd=None, env=None):
    """Run `ntklora` with these arguments in a process of its own."""
    python = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {PROGRAM}", *map(str, arguments)]
    done = subprocess.run(
        python, capture_output=True, text=True, cwd=cwd, env=env, timeout=120, stdin=subprocess.DEVNULL
    )
    return Done(done.returncode, done.stdout, done.stderr)


def main_here(capsys, *arguments):
    """The same in this process, for speed: what `main` returns and what it printed."""
    from ntklora.cli.main import main

    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return Done(status, captured.out, captured.err)
