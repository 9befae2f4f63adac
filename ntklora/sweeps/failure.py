"""A failure in one line, for a row or a message."""

from __future__ import annotations

from pathlib import Path
from traceback import extract_tb

_LONGEST = 500  # characters; compilers' messages run to pages


def describe_failure(error: Exception) -> str:
    """Type, message and the place it was raised at (file and line, no folder)."""
    message = " ".join(str(error).split())[:_LONGEST].encode(errors="replace").decode()
    frames = extract_tb(error.__traceback__)
    place = f" [{Path(frames[-1].filename).name}:{frames[-1].lineno}]" if frames else ""
    return f"{type(error).__name__}: {message}{place}"
