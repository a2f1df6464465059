"""Budgets as users write them: "120 kB", "6 ms", "1 %", "1.2 M"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

from pytest_edgegate.core.budget import BUDGETS, CONTRACT, Budget, BudgetKind
from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError, nearest
from pytest_edgegate.core.other_words import meant_budgets

_NUMBER = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s].*?)?\s*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
"""Numbers with commas as reports print them, so that "1,234.5 kB" can be pasted as a budget."""
_BYTES = {
    "": 1,
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_SECONDS = {
    "s": Fraction(1),
    "ms": Fraction(1, 10**3),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "μs": Fraction(1, 10**6),
}
_AGES = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}
_COUNTS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}
_LARGEST = 10**30
_LONGEST_NUMBER = 100
"""The longest number in characters, and the largest exponent: 1e1000000000 takes for ever."""
_EXPONENT = re.compile(r"[eE][+-]?0*(\d+)")
LONGEST_WAIT = 31_536_000
"""A year in seconds: beyond any use, and well below the limits of system timers."""


def budgets_from(written: Mapping[str, Any], where: str) -> tuple[Budget, ...]:
    """Budgets from keyword arguments. Raises ConfigurationError, UnknownNameError."""
    return tuple(budget(name, value, where) for name, value in written.items())


def budget(name: str, value: Any, where: str) -> Budget:
    """One budget with its limit in the metric's unit."""
    kind = BUDGETS.get(name)
    if kind is None:
        raise _unknown(name, where)
    try:
        limit = _factor(value) if kind.is_factor else _PARSERS[kind.unit](value)
    except _UnreadableError as error:
        raise ConfigurationError(
            f"{where}: {name}={_shown(value)} {error.args[0]}",
            f"write for example {error.args[1]}",
        ) from None
    _check_range(kind, limit, value, where)
    return Budget(name, limit, str(value))


def _unknown(name: str, where: str) -> UnknownNameError:
    return UnknownNameError("budget", name, BUDGETS, where, meant_budgets(name, BUDGETS))


def budgets_from_lines(lines: Iterable[str], where: str) -> tuple[Budget, ...]:
    """Budgets from lines like ``accuracy_drop = 0.01``."""
    found = []
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or not value.strip():
            raise ConfigurationError(
                f"{where}: the line {line.strip()!r} is not a budget", "write accuracy_drop = 0.01"
            )
        text = value.strip().strip("\"'")
        found.append(budget(name.strip(), _number_or_text(text), where))
    return tuple(found)


def regressions_from_lines(
    lines: Iterable[str], where: str
) -> tuple[tuple[str | None, Budget], ...]:
    """(target or None, budget) from lines like ``host:latency = 1.1``."""
    found: dict[tuple[str | None, str], Budget] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        target, colon, short = name.strip().rpartition(":")
        metric = f"{short.strip().removesuffix('_regression')}_regression"
        if not equals or not value.strip() or metric not in BUDGETS:
            raise ConfigurationError(
                f"{where}: the line {line.strip()!r} is no regression",
                "write accuracy = 0.005, size = 1.02 or latency = 1.1, each for one target as in "
                "host:latency = 1.1",
            )
        limit = _number_or_text(value.strip().strip("\"'"))
        place = target.strip() if colon else None
        found[place, metric] = budget(metric, limit, where)
    return tuple((place, each) for (place, _), each in found.items())


def allowed_from(text: str) -> frozenset[tuple[str | None, str]]:
    """``[target:]metric,...`` as pairs; the target is None for all."""
    found = set()
    for part in filter(None, (each.strip() for each in text.split(","))):
        target, colon, metric = part.rpartition(":")
        if metric.strip() not in (*BUDGETS, CONTRACT.name):
            raise _unknown(metric.strip(), "--edge-allow-unmeasured")
        found.add((target.strip() if colon else None, metric.strip()))
    return frozenset(found)


def seconds_from(text: str, where: str, *, zero: bool = True) -> float:
    """A time with its unit; *zero* allows 0. Raises ConfigurationError."""
    try:
        seconds = _seconds(text)
    except _UnreadableError as error:
        raise ConfigurationError(
            f"{where}: {_shown(text)} {error.args[0]}", f"write for example {error.args[1]}"
        ) from None
    if seconds < 0:
        raise ConfigurationError(f"{where}: {text!r} is negative", "give it without a sign")
    if seconds == 0 and not zero:
        raise ConfigurationError(
            f"{where}: {text!r} leaves no time at all", "write for example 20 s"
        )
    if seconds > LONGEST_WAIT:
        raise ConfigurationError(
            f"{where}: {text!r} is longer than the longest timeout",
            f"write at most {LONGEST_WAIT} s, which is a year",
        )
    return seconds


def bytes_from(text: str, where: str) -> int:
    """A size with its unit. Raises ConfigurationError."""
    return int(_positive(lambda: _bytes(text), text, where))


def age_from(text: str, where: str) -> float:
    """An age of hours, days or weeks ("30d") in seconds. Raises ConfigurationError."""
    return float(_positive(lambda: _age(text), text, where))


def _positive(parse: Callable[[], float], text: str, where: str) -> float:
    try:
        value = parse()
    except _UnreadableError as error:
        raise ConfigurationError(
            f"{where}: {_shown(text)} {error.args[0]}", f"write for example {error.args[1]}"
        ) from None
    if value < 0:
        raise ConfigurationError(f"{where}: {text!r} is negative", "give it without a sign")
    return value


class _UnreadableError(Exception):
    """(fault, an example of a valid value)."""


def _split(value: Any, example: str) -> tuple[Fraction, str]:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _UnreadableError("is neither a number nor a text", example)
    if isinstance(value, int | float):
        if value != value or value in (float("inf"), float("-inf")):
            raise _UnreadableError("is not a finite number", example)
        if abs(value) > _LARGEST:
            raise _UnreadableError("is larger than anything measured", example)
        return Fraction(str(value)), ""
    text = _THOUSANDS.sub("", value)
    matched = None if len(text) > 2 * _LONGEST_NUMBER else _NUMBER.fullmatch(text)
    if matched is None:
        raise _UnreadableError("has no number that can be read", example)
    exponent = _EXPONENT.search(matched[1])
    if len(matched[1]) > _LONGEST_NUMBER or (exponent and len(exponent[1]) > 2):
        raise _UnreadableError("has a number that is far from anything measured", example)
    return Fraction(matched[1].replace("_", "")), matched[2] or ""


def _shown(value: Any) -> str:
    """The value as written, if possible: repr() refuses integers of 4,301 digits."""
    try:
        shown = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return shown if len(shown) <= _LONGEST_NUMBER else f"{shown[:_LONGEST_NUMBER]}..."


def _scaled(value: Any, units: Mapping[str, Any], example: str) -> Fraction:
    number, unit = _split(value, example)
    scales = {name.lower(): scale for name, scale in units.items()}
    if unit.lower() not in scales:
        hint = nearest(unit, [name for name in units if name])
        raise _UnreadableError(f"has the unknown unit {unit!r}{hint}", example)
    scaled = number * Fraction(scales[unit.lower()])
    if abs(scaled) > _LARGEST:
        raise _UnreadableError("is larger than anything measured", example)
    return scaled


def _bytes(value: Any) -> int:
    size = _scaled(value, _BYTES, '"120 kB" or 120_000')
    if size.denominator != 1 and isinstance(value, int | float):
        raise _UnreadableError("is not a whole number of bytes", '"120 kB" or 120_000')
    return int(size)


def _count(value: Any) -> int:
    return int(_scaled(value, _COUNTS, '"1.2 M" or 1_200_000'))


def _seconds(value: Any) -> float:
    if not isinstance(value, str) or not _split(value, '"6 ms"')[1]:
        raise _UnreadableError("has no unit", '"6 ms" or "900 us"')
    return float(_scaled(value, _SECONDS, '"6 ms" or "900 us"'))


def _age(value: str) -> float:
    example = '"30d" (h, d, w: hours, days, weeks)'
    if not _split(value, example)[1]:
        raise _UnreadableError("has no unit", example)
    return float(_scaled(value, _AGES, example))


def _share(value: Any) -> float:
    return float(_scaled(value, {"": 1, "%": Fraction(1, 100)}, '0.01 or "1 %"'))


def _factor(value: Any) -> float:
    return float(_scaled(value, {"": 1, "x": 1, "%": Fraction(1, 100)}, '3 or "3x"'))


def _plain(value: Any) -> float:
    return float(_scaled(value, {"": 1, "dB": 1}, "30"))


def _steps(value: Any) -> int:
    number = _scaled(value, {"": 1, "lsb": 1, "steps": 1}, "1")
    if number.denominator != 1:
        raise _UnreadableError("is not a whole number of steps", "1")
    return int(number)


_PARSERS: Mapping[str, Callable[[Any], int | float]] = {
    "bytes": _bytes,
    "count": _count,
    "s": _seconds,
    "points": _share,
    "ratio": _share,
    "metric": _share,
    "steps": _steps,
    "value": _plain,
    "dB": _plain,
}


def _check_range(kind: BudgetKind, limit: float, value: Any, where: str) -> None:
    if limit < 0 and not kind.signed:
        raise ConfigurationError(
            f"{where}: {kind.name}={value!r} is negative", "give the limit without a sign"
        )
    if kind.most is not None and limit > kind.most:
        raise ConfigurationError(
            f"{where}: {kind.name}={value!r} is a share, and a share is at most {kind.most:g}",
            f"did you mean {limit / 100:g}?",
        )
    if kind.least is not None and limit < kind.least:
        raise _too_low(kind, limit, value, where)


def _too_low(kind: BudgetKind, limit: float, value: Any, where: str) -> ConfigurationError:
    """The error for a floor that nearly every artifact holds: it was meant the other way round."""
    if kind.is_factor:
        fault = "is a factor, and below 1 the artifact may be larger than the float export"
        meant = f"did you mean {1 / limit:g}?" if limit else "write for example 3"
    else:
        fault = "is a share of equal answers, at least"
        meant = f"did you mean {1 - limit:g}?" if limit < 0.2 else "write for example 0.99"
    return ConfigurationError(f"{where}: {kind.name}={value!r} can't be meant: it {fault}", meant)


def _number_or_text(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
