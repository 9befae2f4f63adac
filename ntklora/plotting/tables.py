"""Tables in long form: rows by what they have in common, records that leave out what they do not have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ntklora.plotting.intervals import Interval

Record = Mapping[str, Any]


def grouped(rows: Iterable[Record], *names: str) -> dict[tuple[Any, ...], list[Record]]:
    """The rows by their values under these names, keys in ascending order, rows in their own.

    >>> grouped([{"r": 2, "x": 1}, {"r": 1, "x": 5}, {"r": 2, "x": 0}], "r")
    {(1,): [{'r': 1, 'x': 5}], (2,): [{'r': 2, 'x': 1}, {'r': 2, 'x': 0}]}
    """
    groups = gathered(rows, *names)
    return {key: groups[key] for key in sorted(groups)}


def gathered(rows: Iterable[Record], *names: str) -> dict[tuple[Any, ...], list[Record]]:
    """As `grouped`, keys in the order in which they come.

    >>> list(gathered([{"r": 2}, {"r": 1}, {"r": 2}], "r"))
    [(2,), (1,)]
    """
    groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return dict(groups)


def new_record(names: Sequence[str], **values: Any) -> Record:
    """A record with all of `names`, in their order: the values given, None under the others.

    >>> new_record(("part", "rank", "low"), part="share", low=0.5)
    {'part': 'share', 'rank': None, 'low': 0.5}
    """
    assert set(values) <= set(names), set(values) - set(names)
    return dict.fromkeys(names) | values


def named_interval(name: str, interval: Interval | None) -> dict[str, float]:
    """`name`, `name_low` and `name_high`; nothing of an interval that does not exist.

    >>> named_interval("share", Interval(0.1, 0.2, 0.4))
    {'share': 0.2, 'share_low': 0.1, 'share_high': 0.4}
    """
    if interval is None:
        return {}
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def interval_in_words(record: Record, name: str) -> str:
    """An estimate with its interval, two decimals.

    >>> interval_in_words({"share": 0.2, "share_low": 0.1, "share_high": 0.4}, "share")
    '0.20 [0.10, 0.40]'
    """
    return f"{record[name]:.2f} [{record[f'{name}_low']:.2f}, {record[f'{name}_high']:.2f}]"


def compare_in_words(record: Record, name: str, value: float, called: str) -> str:
    """How the interval of an estimate lies to a value.

    >>> compare_in_words({"a": 0.2, "a_low": 0.1, "a_high": 0.4}, "a", 0.5, "1/2")
    'below 1/2'
    """
    if record[f"{name}_low"] <= value <= record[f"{name}_high"]:
        return f"the interval contains {called}"
    return f"{'below' if record[name] < value else 'above'} {called}"


def range_in_words(values: Sequence[float]) -> str:
    """The smallest and the largest, two digits; one number where these are the same.

    >>> range_in_words([3.0, 0.25, 2.0]), range_in_words([10.0, 10.01])
    ('0.25 to 3', '10')
    """
    return " to ".join(dict.fromkeys(f"{value:.2g}" for value in (min(values), max(values))))
