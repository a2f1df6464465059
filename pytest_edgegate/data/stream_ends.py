"""Tells streams that never end from long ones.

A source may say it by itself. Of any other one it is assumed where it gives the same batches again
and again, or more samples than the sets that models are evaluated on have.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable
from typing import Any

from pytest_edgegate.core.errors import ConfigurationError

_TIMES, _LEAST = 10, 2_000
"""So often a stream has to give the same batches, and at least so many samples in all."""
_LOOKED_AT = 100_000
"""The number of batches that are compared, for which two integers each are kept."""
_MOST = 10_000_000
"""Samples of a stream that does not tell its length."""
_KNOWN = 10_000
"""Samples of a stream that is known not to end, for whom some of its first ones are enough."""

_REMEDY = (
    "let it end after one pass over the set: take .repeat() or `while True` out, or end it with "
    ".take(n) or itertools.islice"
)


def is_endless(source: Iterable[Any]) -> bool:
    """Whether a source says that it never ends: a tf.data.Dataset by its cardinality (-1), others
    by the largest length that there is."""
    cardinality = getattr(source, "cardinality", None)
    try:
        known = int(cardinality()) if callable(cardinality) else 0
    except Exception:  # noqa: BLE001 - the user's code; what it says is of use only if it is a number
        known = 0
    return known == -1 or _length(source) == sys.maxsize


def never_ends(where: str) -> ConfigurationError:
    """The error for a source that ``is_endless``; *where* names the split."""
    return ConfigurationError(
        f"{where} never ends, as its own length says, and all of its samples are read", _REMEDY
    )


def _length(source: Iterable[Any]) -> int | None:
    """The number of batches that a source tells."""
    try:
        return len(source)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - the user's code; a stream need not tell its length
        return None


class EndWatch:
    """Watches one pass over a stream."""

    def __init__(self, where: str, source: Iterable[Any]) -> None:
        """*where* names the split."""
        self._where = where
        self._source = source
        self._samples = 0
        self._marks: list[int] = []
        self._borders: list[int] = []
        """Of the batches up to each one: how many of the first ones are the last ones too."""
        self._varied = False
        self._sized: bool | None = None

    def add(self, count: int, ends: tuple[bytes, bytes]) -> None:
        """Adds a batch of *count* samples by the content of its first and its last one.

        Raises ConfigurationError if the stream does not seem to end.
        """
        self._samples += count
        self._varied = self._varied or ends[0] != ends[1]
        if len(self._marks) < _LOOKED_AT:
            self._mark(zlib.crc32(b"%d" % count, zlib.crc32(ends[1], zlib.crc32(ends[0]))))
            self._check_repeated()
        if self._samples >= min(_KNOWN, _MOST):
            self._check_bound()

    def _mark(self, mark: int) -> None:
        """The failure function of Knuth, Morris and Pratt, continued by one batch."""
        border = self._borders[-1] if self._borders else 0
        self._marks.append(mark)
        if len(self._marks) > 1:
            while border and self._marks[border] != mark:
                border = self._borders[border - 1]
            border += self._marks[border] == mark
        self._borders.append(border)

    def _check_repeated(self) -> None:
        """Equal samples are no sign of it: a sorted set may begin with many of them."""
        batches = len(self._marks)
        period = batches - self._borders[-1]
        if self._samples < _LEAST or batches < _TIMES * period or not self._varied:
            return
        if batches % period:
            return
        samples = self._samples * period // batches
        same = "batch" if period == 1 else f"{period:,} batches"
        raise ConfigurationError(
            f"{self._where} does not end: it gives the same {same} ({samples:,} samples) again and "
            f"again, {batches // period} times by now",
            _REMEDY,
        )

    def _check_bound(self) -> None:
        if self._sized is None:
            if is_endless(self._source):
                raise never_ends(self._where)
            self._sized = _length(self._source) is not None
        if self._samples < _MOST or self._sized:
            return
        raise ConfigurationError(
            f"{self._where} has given {self._samples:,} samples, and no end is in sight",
            f"{_REMEDY}; if it does end, give it a __len__, the number of its batches",
        )
