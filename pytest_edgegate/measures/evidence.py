"""Evidence: the per-sample results of a pass over the evaluation data, without the outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.splits import Array, Batch, Fingerprint, Split, drawn_batches
from pytest_edgegate.measures.channels import ChannelRanges
from pytest_edgegate.measures.fed_inputs import NOT_QUANTISED, FedCounter, FedInput, Held


@dataclass(frozen=True)
class Column:
    """The dtype, shape and range of an array of evidence, to validate one read from a cache."""

    kinds: str = "f"
    """The kinds of its dtype, as numpy names them."""
    least: float | None = None
    """The smallest value allowed."""
    shape: tuple[int, ...] | None = ()
    """The shape of one sample's entry; None allows any."""
    padding: float | None = None
    """What fills up the entries of a batch to the length of the longest one of a pass; None where
    the entries of all samples have the same shape."""


ANY = Column("biufcmMSU", shape=None)
"""Every kind that numpy writes without a pickle."""
Columns = Mapping[str, Column]
"""The arrays that a kind of evidence must contain, by name."""


@dataclass(frozen=True)
class Evidence:
    """Per-sample results: named arrays whose first axis is the sample, in the split's order."""

    arrays: dict[str, Array]
    n: int
    fingerprint: str
    """Digest of the samples and their order."""
    source: str
    nonfinite: int = 0
    """How many samples gave NaN or Inf."""
    first_nonfinite: int = -1
    outputs: tuple[str, ...] = ()
    """The names of the outputs, if the arrays hold results for each of them."""
    inputs: tuple[FedInput, ...] = ()
    """The values of each input that is numeric."""
    channels: Mapping[str, Array] = field(default_factory=dict)
    """The smallest and the largest value of each channel of an output, by the output's name: shape
    (2, channels). Channels lie on the last axis; an output with one axis has one channel. Ranges
    by axis 1 are there too, see ``measures.channels.ON_AXIS_1``."""
    other_channels: Mapping[str, Array] = field(default_factory=dict)
    """Of a comparison: the same of the file, by the names that the model gives its outputs."""
    positions: Array | None = None
    """Positions in the split, if these are only some of its samples or in another order."""
    cached: bool = field(default=False, compare=False)

    @property
    def input_range(self) -> tuple[float, ...]:
        """The smallest and the largest input value; empty if they are not finite numbers."""
        ends = [end for each in self.inputs for end in (each.low, each.high)]
        return (min(ends), max(ends)) if ends and all(map(math.isfinite, ends)) else ()

    def number(self, at: int) -> int:
        """The index of a sample in its split."""
        return at if self.positions is None else int(self.positions[at])

    def at(self, rows: Array) -> Evidence:
        """The results of the samples in these rows of the arrays, in this order.

        What was counted over the whole pass stays as it is.
        """
        numbers = rows if self.positions is None else self.positions[rows]
        arrays = {name: array[rows] for name, array in self.arrays.items()}
        return replace(self, arrays=arrays, n=len(rows), positions=numbers)


@dataclass(frozen=True)
class Paired:
    """Results of reference and artifact on the same samples: all, or enough to decide early."""

    reference: Evidence
    artifact: Evidence
    within: bool | None = None
    """What the samples have proven about the whole set; None if the whole set was seen."""
    total: int | None = None
    """The size of the whole set, if only a part of it was seen."""


def on_both(one: Evidence, other: Evidence) -> tuple[Evidence, Evidence]:
    """The results of the samples that two passes have in common, in the split's order."""
    mine, others = (
        np.arange(each.n) if each.positions is None else each.positions for each in (one, other)
    )
    _, rows, other_rows = np.intersect1d(mine, others, assume_unique=True, return_indices=True)
    return one.at(rows), other.at(other_rows)


NONFINITE = "nonfinite"
"""The figure by which a metric marks samples for which NaN or Inf was made of the outputs."""
OUTPUT = "output"


def output_key(at: int) -> str:
    """The name of the array that holds an output as a whole, by its position."""
    return OUTPUT if at == 0 else f"{OUTPUT}.{at}"


def check_figures(evidence: Evidence, figures: Columns) -> None:
    """Raises ValueError for evidence that a pass with these *figures* cannot have produced."""
    wanted = set(figures)
    if OUTPUT in figures:
        wanted |= {output_key(at) for at in range(len(evidence.outputs))}
    if missing := sorted(wanted - evidence.arrays.keys()):
        raise ValueError(f"it has no {', '.join(missing)}")
    for name, array in evidence.arrays.items():
        figure = figures.get(name, ANY)
        fits = array.shape[:1] == (evidence.n,) and array.dtype.kind in figure.kinds
        if not fits or figure.shape not in (None, array.shape[1:]):
            raise ValueError(f"{name[:80]!r} has an unexpected dtype or shape")
        if figure.least is not None and array.min(initial=figure.least) < figure.least:
            raise ValueError(f"{name[:80]!r} has values outside its range")
    if not 0 <= evidence.nonfinite <= evidence.n or evidence.n < 1:
        raise ValueError("its counts are inconsistent")


class Collector:
    """Gathers per-sample figures batch by batch, and counts the values of inputs and outputs.

    *held*: the quantised inputs of the model's file. *columns*: what is known of the figures.
    """

    def __init__(
        self,
        outputs: tuple[str, ...] = (),
        model: Runner | None = None,
        held: Held = NOT_QUANTISED,
        columns: Columns = MappingProxyType({}),
    ) -> None:
        self._outputs = outputs
        self._columns = columns
        self._parts: list[dict[str, Array]] = []
        self._fingerprint = Fingerprint()
        self._n = 0
        self._nonfinite = 0
        self._first_nonfinite = -1
        self._drawn: list[Array] = []
        self._fed = None if model is None else FedCounter(model.inputs, held)
        self._channels = None if model is None else ChannelRanges(model.outputs)

    def add(
        self,
        batch: Batch,
        outputs: tuple[Array, ...],
        figures: dict[str, Array],
        inputs: tuple[Array, ...] = (),
    ) -> None:
        """*inputs*: those of the batch in the model's order, if their values are to be counted."""
        self._fingerprint.add(batch)
        if self._fed is not None and inputs:
            self._fed.add(inputs)
        if self._channels is not None and outputs:
            self._channels.add(outputs)
        bad = nonfinite_samples(outputs) if outputs else np.zeros(0, bool)
        if NONFINITE in figures:
            bad = bad | figures[NONFINITE]
        if bad.any() and self._first_nonfinite < 0:
            first = int(bad.argmax())
            self._first_nonfinite = (
                self._n + first if batch.drawn is None else int(batch.drawn[first])
            )
        if batch.drawn is not None:
            self._drawn.append(batch.drawn)
        self._nonfinite += int(bad.sum())
        self._n += len(batch)
        self._parts.append(figures)

    @property
    def nonfinite(self) -> int:
        """How many samples gave NaN or Inf."""
        return self._nonfinite

    def drawn(
        self, source: str, split: Split, positions: Array | None, order: Array | None
    ) -> Evidence:
        """Evidence of samples in random order: a part of them, or all, in the split's order."""
        made = self.evidence(source)
        if order is None:
            first = made.first_nonfinite
            assert positions is not None  # an earlier argument rules this out
            number = first if first < 0 else int(positions[first])
            return replace(made, positions=positions, first_nonfinite=number)
        back = np.argsort(order)
        bad = -1 if made.first_nonfinite < 0 else int(order[made.first_nonfinite])
        arrays = {key: array[back] for key, array in made.arrays.items()}
        return replace(made, arrays=arrays, first_nonfinite=bad, fingerprint=fingerprint_of(split))

    def evidence(self, source: str) -> Evidence:
        keys = self._parts[0] if self._parts else {}
        return Evidence(
            arrays={key: self._joined(key) for key in keys},
            n=self._n,
            fingerprint=self._fingerprint.value,
            source=source,
            nonfinite=self._nonfinite,
            first_nonfinite=self._first_nonfinite,
            outputs=self._outputs,
            positions=np.concatenate(self._drawn) if self._drawn else None,
            inputs=() if self._fed is None else self._fed.fed,
            channels={} if self._channels is None else self._channels.found,
        )

    def _joined(self, name: str) -> Array:
        padding = self._columns.get(name, ANY).padding
        return joined(name, [part[name] for part in self._parts], padding)


def joined(name: str, parts: list[Array], padding: float | None = None) -> Array:
    """The entries of all batches. Raises ConfigurationError if they differ in shape and there is
    no *padding*."""
    if padding is not None:
        longest = max(part.shape[1] for part in parts)
        parts = [_lengthened(part, longest, padding) for part in parts]
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1:
        shown = ", ".join(map(str, sorted(shapes)[:3]))
        raise ConfigurationError(
            f"the batches of the evaluation samples give arrays of different shapes ({name}: "
            f"{shown}), which can't be held as one",
            "give samples of one shape; or give edge_data a stream, and edge_metric a "
            "Metric(fn, per_sample=True), which scores each batch by itself",
        )
    return np.concatenate(parts)


def _lengthened(part: Array, length: int, padding: float) -> Array:
    more = [(0, 0), (0, length - part.shape[1])]
    return np.pad(part, more, constant_values=padding) if part.shape[1] < length else part


def fingerprint_of(split: Split) -> str:
    """The fingerprint that a pass over the split would have; no model is run."""
    fingerprint = Fingerprint()
    for batch in split.batches():
        fingerprint.add(batch)
    return fingerprint.value


SamplesDone = Callable[[float, float | None], None]
"""Called with (samples done, samples in total)."""


def fed_batches(
    runner: Runner,
    split: Split,
    limit: int | None = None,
    progress: SamplesDone = lambda done, total: None,
    *,
    may_stop: bool = False,
    size: int | None = None,
) -> Iterator[tuple[Batch, tuple[Array, ...]]]:
    """Batches of the split with their inputs in the runner's order: all samples, or at most
    *limit*, drawn at random.

    *may_stop*: in an order in which any beginning is a random part. *size*: of its batches.
    """
    done = 0
    total = split.size if limit is None or split.size is None else min(limit, split.size)
    drawn = partial(drawn_batches, split, size=size, shuffled=may_stop)
    for batch in split.batches() if limit is None else drawn(limit):
        progress(done, total)
        done += len(batch)
        yield batch, arrange(batch.inputs, split.names, runner.inputs, split.name, batch.number)


def nonfinite_samples(outputs: tuple[Array, ...]) -> Array:
    """Marks the samples with NaN or Inf in any output: bool of shape (n,)."""
    bad = np.zeros(len(outputs[0]), bool)
    for output in outputs:
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            bad |= ~np.isfinite(output.reshape(len(output), -1)).all(axis=1)
    return bad


def finite_or_finding(found: Evidence | NotMeasured) -> Evidence | Finding:
    """The evidence, or the finding if there is none: not measured, or NaN and Inf."""
    if isinstance(found, NotMeasured):
        return found
    if found.nonfinite:
        return Measurement(
            float("nan"),
            found.source,
            n=found.n,
            n_total=found.n,
            cached=found.cached,
            nonfinite=f"NaN or Inf on {found.nonfinite} of {found.n} samples, "
            f"first on sample {found.first_nonfinite}",
        )
    return found


def same_samples(one: Evidence, other: Evidence, name: str) -> None:
    """Refuses to pair two passes that did not see the same samples in the same order."""
    if one.fingerprint != other.fingerprint or one.n != other.n:
        raise ConfigurationError(
            f"edge_data.{name} gave different samples, or a different order, on its second pass "
            f"({one.n} and {other.n} samples)",
            "switch shuffling off for evaluation; a stream has to give the same order each time "
            "(and another version= when its content changes)",
        )
