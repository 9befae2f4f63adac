"""How a number is printed in the report."""

from __future__ import annotations


def show(value: float | None) -> str:
    """Four digits, powers of ten written out; a dash where there is nothing.

    >>> show(1234567), show(0.1), show(3.2e-9), show(float("inf")), show(None)
    ('1,234,567', '0.1', '3.2·10⁻⁹', '∞', '–')
    """
    if value is None:
        return "–"
    if value != value or value in (float("inf"), float("-inf")):
        return {"inf": "∞", "-inf": "−∞"}.get(str(float(value)), "not a number")
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{int(value):,}".replace("-", "−")
    digits = f"{value:.4g}"
    if "e" not in digits:
        return digits.replace("-", "−")
    mantissa, exponent = digits.split("e")
    return f"{mantissa}·10{str(int(exponent)).translate(_RAISED)}".replace("-", "−")


_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
