"""Where numbers come from: revision, versions, device and command. Never a host's or a person's name."""

from __future__ import annotations

import inspect
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ntklora.environment import num_threads, processor_digest
from ntklora.sweeps.computation import Vmapped
from ntklora.version import __version__

PACKAGES = ("jax", "jaxlib", "numpy", "scipy", "equinox", "optax", "pyarrow", "matplotlib", "scikit-learn")


def now() -> str:
    """The date in UTC, ISO 8601 with microseconds: the order of strings is the order of time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@cache
def revision() -> str:
    """The git revision of the source, with `+dirty` where it was changed; the package's version without git."""
    head = _git("rev-parse", "HEAD")
    if head is None:
        return f"ntklora {__version__}"
    return head[:12] + ("+dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")


def provenance() -> dict[str, Any]:
    """Everything beside the key that a reader of the numbers may ask for, but the device: its process knows."""
    return {
        "revision": revision(),
        "date": now(),
        "versions": package_versions(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "command": command_line(),
    }


def source_digest(run: Callable[[Any], Any] | Vmapped) -> str | None:
    """The hash of the file that defines what an experiment computes; None where it is in no file, as in a notebook.

    The revision is that of this package: it says nothing of a file beside it. What that file imports is not in here.
    """
    function: Any = run.compute if isinstance(run, Vmapped) else run
    while isinstance(function, partial):
        function = function.func
    try:
        return sha256(Path(inspect.getfile(inspect.unwrap(function))).read_bytes()).hexdigest()[:12]
    except (TypeError, OSError):
        return None


def device_in_use() -> dict[str, Any]:
    """What this process computes on: everything of the machine that the last bits of a number depend on.

    The kind of processor chooses the instructions, threads the order of sums; with them JAX's device, where the process
    has imported it. None of it names a host.
    """
    found: dict[str, Any] = {
        "processor": processor_digest(),
        "threads": num_threads(),
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS"),
    }
    if "jax" in sys.modules:
        import jax

        device = jax.devices()[0]
        found |= {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()}
    return found


def common_device(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What holds of two processes that computed the same sweep; None where they differ."""
    return {**one, **other} | {name: None for name in one if name in other and one[name] != other[name]}


def package_versions() -> dict[str, str]:
    """Python, this package and those that compute; one that is not installed is left out."""
    found = {"python": platform.python_version(), "ntklora": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def command_line() -> str:
    """The command as typed, the program by its name alone."""
    program = Path(sys.argv[0])
    named = ["python", "-m", program.parent.name] if program.name == "__main__.py" else [program.name]
    return shlex.join([*named, *sys.argv[1:]])


def _git(*arguments: str) -> str | None:
    # Only a checkout of this package counts: an installed copy may lie inside somebody else's repository.
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", *arguments], cwd=source, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
