"""`ntklora doctor`: what this installation runs on, and whether it can be trusted with numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from threadpoolctl import threadpool_info

from ntklora.atomic import replacing
from ntklora.certified.precision import float64_device
from ntklora.cli.answer import NOT_SHOWN, OK, Answer
from ntklora.cli.commands import Doctor
from ntklora.sweeps.numerics import current_numerics
from ntklora.sweeps.provenance import package_versions, revision


class Check(NamedTuple):
    """One thing that must hold, whether it does, and what was seen."""

    name: str
    ok: bool
    seen: str


def run(options: Doctor) -> Answer:
    """Look and try; what fails is named, with exit status 1."""
    device = float64_device()
    with jax.default_device(device):
        checks = [_precision(device), _agreement(), _writing(options.out)]
    numerics = current_numerics()
    document = {
        "versions": package_versions(),
        "revision": revision(),
        "devices": [f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices()],
        "precision": {"x64": numerics.precision == "float64", "random_generator": numerics.prng},
        "threads": {"cpus": os.cpu_count(), "blas": [_library(each) for each in threadpool_info()]},
        "caches": _compiled_programs(),
        "checks": [check._asdict() for check in checks],
    }
    return Answer(OK if all(check.ok for check in checks) else NOT_SHOWN, document, lambda: _show(document, checks))


def _compiled_programs() -> dict[str, object]:
    """Where JAX keeps what it compiled, and how much there is; null and zeros where it keeps nothing."""
    settings = jax.config.values
    folder = settings["jax_compilation_cache_dir"] if settings["jax_enable_compilation_cache"] else None
    files = list(Path(folder).glob("*-cache")) if folder else []
    sizes = [file.stat().st_size for file in files]
    return {
        "jax_compilation_cache_dir": folder,
        "programs": len(sizes),
        "mebibytes": round(sum(sizes) / 2**20, 1),
        "off": "JAX_ENABLE_COMPILATION_CACHE=0",
    }


def _precision(device: jax.Device) -> Check:
    small = 2.0**-50
    left = float(jnp.asarray(1.0 + small) - 1.0)
    return Check(f"float64 on {device}", left == small, f"(1 + 2^-50) - 1 = {left:.3g}, expected {small:.3g}")


def _agreement() -> Check:
    """JAX's singular values against NumPy's: two libraries, one matrix."""
    matrix = np.random.default_rng(0).normal(size=(40, 30))
    difference = float(np.abs(np.linalg.svd(matrix, compute_uv=False) - jnp.linalg.svd(matrix, compute_uv=False)).max())
    return Check("singular values agree", difference < 1e-12, f"largest difference {difference:.3g}, allowed 1e-12")


def _writing(folder: Path) -> Check:
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    path = folder / "write-test.txt"
    try:
        with replacing(path) as sibling:
            sibling.write_text("written")
        path.unlink()
        for each in made:  # leave the disk as it was
            each.rmdir()
    except OSError as error:
        return Check("results can be written", False, f"{folder}: {error.strerror or error}; pass another --out")
    return Check("results can be written", True, str(folder))


def _library(info: dict[str, object]) -> str:
    return f"{info.get('internal_api')} {info.get('version')}, {info.get('num_threads')} threads"


def _show(document: Mapping[str, object], checks: list[Check]) -> None:
    for name, content in document.items():
        if name == "checks":
            continue
        if isinstance(content, dict):
            content = ", ".join(f"{key} {value}" for key, value in content.items())
        elif isinstance(content, list):
            content = ", ".join(content)
        print(f"{name}: {content}")
    for check in checks:
        print(f"{'ok' if check.ok else 'FAILED'}: {check.name} ({check.seen})")
