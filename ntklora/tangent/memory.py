"""How much memory a result may take."""

from __future__ import annotations

import os
from pathlib import Path

import jax

GIB = 2**30

# The share of the free memory that one result may take: the solver copies features once and compresses them.
SHARE = 0.5


def available_memory(device: jax.Device | None = None) -> int:
    """Bytes that a device has free, by default JAX's first: the accelerator's, or the machine's.

    On Linux `MemAvailable` of /proc/meminfo, elsewhere the physical memory.
    """
    device = device or jax.devices()[0]
    statistics = device.memory_stats() if device.platform != "cpu" else None
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def memory_allowance(device: jax.Device | None = None) -> int:
    """Bytes that one result may take: `SHARE` of what is available."""
    return int(SHARE * available_memory(device))
