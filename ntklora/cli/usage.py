"""What the parser says of wrong usage, as one line: it draws a box with a title, sections and descriptions."""

from __future__ import annotations

import re

_DEEP = 8  # columns before an option's description, beyond the margin; its name has half as many
_LEFT_TO_HELP = ("Got errors:", "Argument helptext:")
_PLAIN = (
    (
        re.compile(r"Error parsing (\S+): no type matching (?:\{None\}\|)?(\S+) .*? from \[(.*?)\]"),
        r"\1 takes \2, not \3",
    ),
    (re.compile(r"Perhaps you meant: "), "perhaps you meant "),
    (re.compile(r"For full helptext, (?:run|see):? "), "help: "),
)


def one_line(box: str) -> str:
    """What a drawn box says, as one sentence: what is wrong, what was perhaps meant, how to get help.

    The descriptions of options stand deeper in the box or in sections of their own; they are left to `--help`.
    """
    lines = [line.strip("╭╮╰╯│+|") for line in box.splitlines()]  # without the frame; in ASCII there is none
    title, *rest = [line.strip("─- ") for line in lines[:1]] + lines[1:] or ["wrong usage"]
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip("─- ")), default=0)
    sections: list[list[str]] = [[]]
    for line in rest:
        if not line.strip("─- "):  # a blank line, or the rule between two sections
            sections.append([])
        elif len(line) - len(line.lstrip()) < margin + _DEEP:
            sections[-1].append(" ".join(line.split()))
    said = [" ".join(section) for section in sections if section and section[0] not in _LEFT_TO_HELP]
    sentence = "; ".join(part.removesuffix(".") for part in said)
    for pattern, plain in _PLAIN:
        sentence = pattern.sub(plain, sentence)
    told = sentence if sentence.casefold().startswith(title.casefold()) else f"{title}: {sentence}"
    return told[0].lower() + told[1:]
