"""How many resamples an interval is taken from, kept in the cache.

The number depends on the speed of the machine, so another run could choose another one, and with it
another interval and another verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_edgegate.measures.metrics.resampling import Purpose
from pytest_edgegate.stats.bootstrap import COUNTS, PROBED, affordable
from pytest_edgegate.storage.cache import Cache, Entry, key_of

_PATIENCE = 2.0
"""A kept number holds unless it would now take more than this many times the limit."""


class ResampleCounts:
    """Chooses the number for one metric on one set of samples."""

    def __init__(
        self, cache: Cache, limit: float, *, data: Callable[[], str], metric: Callable[[], str]
    ) -> None:
        """*limit*: the seconds that a bootstrap may take.

        *data* returns the digest of the samples, *metric* the name of the metric.
        """
        self._cache = cache
        self._limit = limit
        self._data = data
        self._metric = metric

    def __call__(self, purpose: Purpose, seconds: float) -> int:
        """The number of an earlier run, or else the largest that fits, which is then kept.

        *seconds*: the time that PROBED resamples took. 0: not even the least number fits.
        """
        fits = affordable(seconds, self._limit)
        key = key_of(
            kind="resamples",
            purpose=purpose,
            limit=self._limit,
            data=self._data(),
            metric="" if purpose == "agreement" else self._metric(),
        )

        def keep(folder: Path) -> dict[str, int]:
            return {"count": fits}

        kept = self._cache.fetch(key, keep, _read)
        return kept if seconds / PROBED * kept <= _PATIENCE * self._limit else fits


def _read(entry: Entry) -> int:
    """Raises ValueError or KeyError for an invalid entry."""
    count = entry.info["count"]
    if type(count) is not int or count not in (0, *COUNTS):
        raise ValueError("its number of resamples is none that is taken")
    return count
