"""Property: the README's Python runs as it stands and prints what it says."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_quick_start_runs(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(block, str(README), "exec"), {"__name__": "quickstart"})
    status, *_ = capsys.readouterr().out.split()
    assert status == "certified"


def test_every_command_of_the_readme_exists():
    from ntklora.cli import commands

    known = {name.lower() for name in vars(commands)}
    found = re.findall(r"(?:`|bin/)ntklora (\w+)", README.read_text())
    assert found
    assert set(found) <= known
