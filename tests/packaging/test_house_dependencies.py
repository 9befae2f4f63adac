"""Property: imports go downwards only, public JAX only, files stay readable, nothing names a machine."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ntklora"

# Lower layers first. A module may import from its own package and from those of lower layers; packages of one layer
# never import each other.
LAYERS = (
    ("arguments", "arrays", "atomic", "environment", "module", "shared", "strict_json", "version"),
    ("theory",),
    ("models", "data"),
    ("tangent",),
    ("ntk",),
    ("problem",),
    ("instances",),
    ("solvers", "certificates"),
    ("certified",),
    ("proof",),
    ("adapters",),
    ("regime",),
    ("sweeps",),
    ("plotting", "claims"),
    ("report",),
    ("bench",),
    ("cli",),
)
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
# Sweeps know no LoRA: below them only what knows nothing of networks either.
BESIDE_SWEEPS = {package for packages in LAYERS[1 : LAYERS.index(("sweeps",))] for package in packages}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def identity(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent != PACKAGE], ids=identity)
def test_imports_go_downwards(path):
    own = path.relative_to(PACKAGE).parts[0]
    for name in imports(path):
        if name.split(".")[0] != "ntklora" or name == "ntklora":
            continue
        other = package_of(name)
        if other in LEVEL and other != own:
            assert LEVEL[other] < LEVEL[own], f"{own} imports {name}"
            assert own != "sweeps" or other not in BESIDE_SWEEPS, f"sweeps must know no LoRA and imports {name}"


def test_every_package_has_its_place():
    found = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert found <= set(LEVEL), f"packages without a layer: {found - set(LEVEL)}"


def test_experiments_and_figures_use_the_library_and_not_each_other():
    for folder in ("experiments", "paper_figures"):
        for path in sorted((ROOT / folder).glob("*.py")):
            for name in imports(path):
                assert name.split(".")[0] not in {"experiments", "paper_figures", "tests"}, f"{path} imports {name}"
                assert "._" not in name, f"{path} imports the private {name}"


def test_only_public_jax():
    for path in [*MODULES, *(ROOT / "tests").rglob("*.py")]:
        for name in imports(path):
            assert not re.match(r"jax\.(_src|core|interpreters)\b", name), f"{path} imports {name}"
            assert not name.endswith("shard_map"), f"{path} imports {name}"


def test_no_file_is_longer_than_400_lines():
    long = {identity(path): len(path.read_text().splitlines()) for path in MODULES}
    assert not {name: lines for name, lines in long.items() if lines > 400}


def test_no_handler_swallows_everything():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{path}: bare except"


def test_tracked_files_name_no_machine():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"/(home|Users|root|work)/[\w]|pythonhosted")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path == Path(__file__) or not path.is_file() or path.suffix in {".png", ".npz", ".parquet"}:
            continue
        assert not pattern.search(path.read_text()), f"{name} names a machine's folder or a registry's host"
