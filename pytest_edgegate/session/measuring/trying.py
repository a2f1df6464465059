"""Feeds a model some samples otherwise, to find out whether it was fed wrongly.

This explains red verdicts only. It is bounded in samples and in time, and kept in the cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.core.progress import Progress, silent
from pytest_edgegate.data.encodings import Feed, other_feeds
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.splits import Array, ArraySplit, Split
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Resampling, Scoring
from pytest_edgegate.measures.metrics.kept import KeptSamples
from pytest_edgegate.measures.tries import Aim, Lift, Regained, Rival, Tries, regained
from pytest_edgegate.session.measuring.kept_steadiness import FittingOpener
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.stats.groups import Groups
from pytest_edgegate.storage.cache import Cache, Entry, key_of

_VERSION = 2
_CHOSEN_ON, _PROVEN_ON = 100, 200
"""The largest numbers of samples for choosing one of the ways, and for proving that it helps."""
_SECONDS = 4.0
"""The time for choosing, the time for proving, and the time for reading a stream."""
_MOST_BYTES = 256 << 20
"""The largest size of the samples in bytes."""
_FEWEST = 8
"""With fewer samples than this nothing is chosen; as many are run to learn the speed."""
_FOR_A_CHOICE, _FOR_A_PROOF = 0.05, 1.0
"""The time for an interval, in seconds."""
_ABOUT_AS_GOOD = 0.05
"""By how much of the best gain another one may be smaller."""
_MOST_RIVALS = 3
"""Of ways that are about as good, so many are compared where one is proven."""
_SEED = 0

Now = Callable[[], float]


@dataclass(frozen=True)
class Scored:
    """How samples are scored. ``on`` returns the metric for some of the samples."""

    scoring: Scoring
    on: Callable[[ArraySplit], Scoring]
    groups: Groups | None = None


class Pass(Protocol):
    """Runs one pass over samples."""

    def __call__(
        self, runner: Runner, split: Split, scoring: Scoring, source: str, /
    ) -> Evidence: ...


@dataclass(frozen=True)
class Trier:
    """Runs models with samples that are fed otherwise. ``observe`` runs one pass."""

    opener: FittingOpener
    cache: Cache
    observe: Pass
    progress: Progress = silent
    clock: Now = time.monotonic

    def tried(
        self, specimen: Specimen, split: Split, scored: Scored, as_fed: Evidence, aim: Aim
    ) -> Tries:
        """*as_fed*: the model's results on the samples of the split, or on some of them.

        The results of *aim* are of the same samples.
        """

        def look(folder: Path) -> Mapping[str, Any]:
            return asdict(self._looked(specimen, split, scored, as_fed, aim))

        if not specimen.lasting:
            return self._looked(specimen, split, scored, as_fed, aim)
        return self.cache.fetch(
            self._key(specimen, split, scored.scoring, as_fed, aim), look, _read
        )

    def _key(
        self, specimen: Specimen, split: Split, scoring: Scoring, as_fed: Evidence, aim: Aim
    ) -> str:
        """A function of the user has no digest: its name and its figures stand for it."""
        reference = None if aim.reference is None else scoring.value(aim.reference)
        return key_of(
            kind="tried",
            version=_VERSION,
            model=self.opener.identity(specimen),
            data=split.digest(),
            samples=as_fed.n,
            metric=scoring.name,
            output=scoring.output,
            figures=[repr(each) for each in (scoring.value(as_fed), reference, aim.limit)],
        )

    def _looked(
        self, specimen: Specimen, split: Split, scored: Scored, as_fed: Evidence, aim: Aim
    ) -> Tries:
        drawn = _drawn(split, as_fed, self.clock)
        feeds = () if drawn is None else other_feeds(drawn[1].inputs)
        if drawn is None or not feeds:
            return Tries()
        rows, samples = drawn
        with self.opener.open(specimen) as runner:
            seconds = self._seconds_a_sample(runner, samples)
            sizes = _sizes(len(rows), len(feeds), seconds)
            if not sizes.feeds:
                return Tries()
            feeds, ends = feeds[: sizes.feeds], sizes.chosen + sizes.proven
            choosing, proving = (
                _Part(rows[at], _at(samples, at), scored, as_fed, aim, self.observe)
                for at in (slice(sizes.chosen), slice(sizes.chosen, ends))
            )
            gains = self._gains(specimen, runner, feeds, choosing)
            rivals = _simplest_of_best(gains)
            lift = _lift(runner, rivals, proving.first(sizes.fitting // max(len(rivals), 1)))
            return Tries(tuple(each.code for each, _ in gains), sizes.chosen, lift)

    def _gains(
        self, specimen: Specimen, runner: Runner, feeds: tuple[Feed, ...], part: _Part
    ) -> list[tuple[Feed, float]]:
        """What each way gives back, 0 if it is less than half of the loss.

        Ways that the model fails on are left out.
        """
        gains: list[tuple[Feed, float]] = []
        for at, each in enumerate(feeds):
            self.progress(f"{specimen.title}, fed in other ways", at, len(feeds))
            found = part.fed(runner, each, _FOR_A_CHOICE)
            if found is not None:
                gains.append((each, found[1].gain if found[1].enough else 0.0))
        return gains

    def _seconds_a_sample(self, runner: Runner, samples: ArraySplit) -> float:
        """By a second call, since the first one may prepare things; by one sample if it is slow."""
        slow = self._seconds(runner, samples, 1) * _FEWEST > _SECONDS
        count = 1 if slow else _FEWEST
        return self._seconds(runner, samples, count) / count

    def _seconds(self, runner: Runner, samples: ArraySplit, count: int) -> float:
        inputs = next(samples.batches(count)).inputs
        inputs = arrange(inputs, samples.names, runner.inputs, samples.name)
        start = self.clock()
        runner.infer(inputs)
        return self.clock() - start


def _simplest_of_best(gains: list[tuple[Feed, float]]) -> tuple[Feed, ...]:
    """The ways that are about as good as the best, the commonest first; none if none helps.

    A way that only adds something to another of them is left out.
    """
    best = max((gain for _, gain in gains), default=0.0)
    if best <= 0:
        return ()
    good = [each for each, gain in gains if gain >= (1 - _ABOUT_AS_GOOD) * best]
    simple = [each for each in good if not any(other.parts < each.parts for other in good)]
    return tuple(simple[:_MOST_RIVALS])


@dataclass(frozen=True)
class _Sizes:
    feeds: int
    chosen: int
    proven: int
    fitting: int
    """As many samples can be run in the time for proving."""


def _sizes(samples: int, feeds: int, seconds: float) -> _Sizes:
    """How many ways are tried, on how many samples each, and on how many the best is proven."""
    fitting = _SECONDS / max(seconds, 1e-9)
    feeds = int(min(feeds, fitting // _FEWEST))
    if not feeds:
        return _Sizes(0, 0, 0, 0)
    most = min(_CHOSEN_ON, max(samples // 3, 1))
    chosen = int(min(most, fitting // feeds))
    proven = int(min(_PROVEN_ON, samples - chosen, fitting))
    return _Sizes(feeds, chosen, proven, int(min(fitting, _MOST_RIVALS * _PROVEN_ON)))


@dataclass(frozen=True)
class _Part:
    """Some of the samples: their rows in the evidence, and themselves."""

    rows: Array
    samples: ArraySplit
    scored: Scored
    whole: Evidence
    aim: Aim
    observe: Pass

    def fed(self, runner: Runner, feed: Feed, seconds: float) -> tuple[Evidence, Regained] | None:
        """The results with samples that are fed so; None if the model fails on them.

        *seconds*: the time for an interval.
        """
        scoring, as_fed, resampling = self.scoring, self.as_fed, self._resampling(seconds)
        try:
            found = self.observe(_FedOtherwise(runner, feed), self.samples, scoring, as_fed.source)
            if found.nonfinite:
                return None
            return found, regained(scoring, as_fed, found, self.aim.at(self.rows), resampling)
        except EdgeGateError:
            return None  # such samples are not for this model

    def proves_worse(self, best: Evidence, other: Evidence) -> bool:
        """Whether the model is proven to be worse in *other* results on these samples."""
        found = self.scoring.worse_by(best, other, self._resampling(_FOR_A_PROOF))
        return bool(found.interval.low > 0)

    def _resampling(self, seconds: float) -> Resampling:
        groups, numbers = self.scored.groups, self.as_fed.positions
        if groups is not None and numbers is not None:
            groups = groups.at(numbers)
        return Resampling(groups, limit=seconds)

    def first(self, count: int) -> _Part:
        """The same with up to *count* of the samples."""
        return replace(self, rows=self.rows[:count], samples=_at(self.samples, slice(count)))

    @property
    def scoring(self) -> Scoring:
        return self.scored.on(self.samples)

    @property
    def as_fed(self) -> Evidence:
        return self.whole.at(self.rows)


def _lift(runner: Runner, rivals: tuple[Feed, ...], part: _Part) -> Lift | None:
    """The way that gives back most on these samples, and those not proven to give back less."""
    tried = [(each, part.fed(runner, each, _FOR_A_PROOF)) for each in rivals]
    found = [(feed, *seen) for feed, seen in tried if seen is not None and seen[1].enough]
    if not found:
        return None
    found.sort(key=lambda each: (each[2].proven, each[2].gain), reverse=True)
    (feed, evidence, gain), *others = found
    scoring, reference = part.scoring, part.aim.at(part.rows).reference
    return Lift(
        feed.name,
        feed.code,
        scoring.value(evidence),
        scoring.value(part.as_fed),
        None if reference is None else scoring.value(reference),
        len(part.rows),
        gain.proven,
        tuple(
            Rival(each.name, each.code, scoring.value(seen))
            for each, seen, _ in others
            if not part.proves_worse(evidence, seen)
        ),
    )


class _FedOtherwise:
    """A runner whose samples are changed before it takes them."""

    def __init__(self, runner: Runner, feed: Feed) -> None:
        self._runner = runner
        self._feed = feed
        self.inputs, self.outputs = runner.inputs, runner.outputs

    def __enter__(self) -> _FedOtherwise:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return  # who opened the runner closes it

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._runner.infer(self._feed.apply(batch))

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._runner.infer_raw(self._feed.apply(batch))

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        return self._runner.once(self._feed.apply(sample))


def _drawn(split: Split, seen: Evidence, clock: Now) -> tuple[Array, ArraySplit] | None:
    """A random part of the samples: their rows in the evidence, and themselves.

    None if there are too few, or if they differ in shape.
    """
    if seen.n < _FEWEST:
        return None
    random, most = np.random.default_rng(_SEED), _CHOSEN_ON + _PROVEN_ON
    if isinstance(split, ArraySplit):
        bytes_each = sum(each[:1].nbytes for each in split.inputs)
        most = min(most, max(_MOST_BYTES // max(bytes_each, 1), _FEWEST))
        rows = random.permutation(seen.n)[:most]
        batch = split.take(rows if seen.positions is None else seen.positions[rows])
        return rows, ArraySplit(split.name, batch.inputs, batch.labels, split.names)
    kept = KeptSamples(most, _MOST_BYTES)
    for columns in _read_for_a_while(split, clock):
        kept.add(columns)
    columns, rows = kept.arrays, kept.positions
    if len(rows) < _FEWEST:
        return None
    order = random.permutation(len(rows))
    inputs = tuple(array[order] for name, array in columns.items() if name != "label")
    labels = columns["label"][order] if "label" in columns else None
    return rows[order], ArraySplit(split.name, inputs, labels, split.names)


def _read_for_a_while(split: Split, clock: Now) -> Iterator[dict[str, Array]]:
    """The batches of a stream as far as there is time."""
    end = clock() + _SECONDS
    for batch in split.batches():
        labels = {} if batch.labels is None else {"label": batch.labels}
        yield {f"input.{at}": each for at, each in enumerate(batch.inputs)} | labels
        if clock() > end:
            return


def _at(samples: ArraySplit, rows: slice) -> ArraySplit:
    labels = None if samples.labels is None else samples.labels[rows]
    return ArraySplit(
        samples.name, tuple(each[rows] for each in samples.inputs), labels, samples.names
    )


_OPTIONAL = (float, type(None))
_FIELDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "code": (str,),
    "value": (float,),
    "as_fed": (float,),
    "reference": _OPTIONAL,
    "n": (int,),
    "proven": (bool,),
}
"""The fields of a lift in the cache, beside its rivals."""
_RIVAL: dict[str, tuple[type, ...]] = {"name": (str,), "code": (str,), "value": (float,)}


def _read(entry: Entry) -> Tries:
    """Raises ValueError, KeyError or TypeError for an invalid entry."""
    tried, n, lift = entry.info["tried"], entry.info["n"], entry.info["lift"]
    if not isinstance(tried, list) or not all(isinstance(each, str) for each in tried):
        raise ValueError("the ways that were tried are malformed")
    if type(n) is not int:
        raise ValueError("its number of samples is malformed")
    return Tries(tuple(tried), n, None if lift is None else _read_lift(lift))


def _read_lift(lift: Mapping[str, Any]) -> Lift:
    rivals = lift.get("rivals")
    figures = {name: value for name, value in lift.items() if name != "rivals"}
    if not _fits(figures, _FIELDS) or not isinstance(rivals, list):
        raise ValueError("its figures are malformed")
    if not all(isinstance(each, dict) and _fits(each, _RIVAL) for each in rivals):
        raise ValueError("its rivals are malformed")
    return Lift(**figures, rivals=tuple(Rival(**each) for each in rivals))


def _fits(given: Mapping[str, Any], fields: Mapping[str, tuple[type, ...]]) -> bool:
    return set(given) == set(fields) and all(
        type(given[name]) in kinds for name, kinds in fields.items()
    )
