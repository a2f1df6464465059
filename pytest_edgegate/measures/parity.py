"""Parity: compares the same file in every runtime that the target lists, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.feeding import quantised
from pytest_edgegate.data.splits import Array, Split
from pytest_edgegate.measures.estimated import measured
from pytest_edgegate.measures.evidence import (
    Collector,
    Column,
    Columns,
    Evidence,
    SamplesDone,
    fed_batches,
    finite_or_finding,
    nonfinite_samples,
)
from pytest_edgegate.measures.labels import classes_last
from pytest_edgegate.measures.metrics.estimates import mean, share
from pytest_edgegate.measures.providers import Passes
from pytest_edgegate.stats.distances import steps, top1

SHOWN = 200
"""The number of samples for the agreement shown without a parity budget."""

FIGURES: Columns = {
    "agreement": Column(),
    "steps": Column("i", -1),
    "within": Column(),
    "absolute": Column(),
    "elements": Column("i", 1),
}
"""The per-sample results of ``compare``."""


def compare(
    runners: Sequence[Runner],
    split: Split,
    source: str,
    limit: int | None = None,
    progress: SamplesDone = lambda done, total: None,
) -> Evidence:
    """Per-sample differences between every runner and the first one.

    ``agreement``: share of positions with equal top-1 (NaN where no output has classes);
    ``steps`` and ``within``: largest difference in output steps and share within one step (-1 and
    NaN where an output is float); ``absolute``: largest difference in real values; ``elements``:
    the number of output values per sample.
    """
    collector = Collector()
    first, *others = runners
    for batch, given in fed_batches(first, split, limit, progress):
        inputs = tuple(
            quantised(array, each) for array, each in zip(given, first.inputs, strict=True)
        )
        own = first.infer_raw(inputs)
        worst = [_compare(first, own, each.infer_raw(inputs), batch.labels) for each in others]
        merged = {
            "agreement": np.min([each["agreement"] for each in worst], axis=0),
            "steps": np.max([each["steps"] for each in worst], axis=0),
            "within": np.min([each["within"] for each in worst], axis=0),
            "absolute": np.max([each["absolute"] for each in worst], axis=0),
            "elements": np.full(len(batch), sum(array[0].size for array in own), np.int64),
        }
        bad = np.max([each["bad"] for each in worst], axis=0)
        collector.add(batch, (np.where(bad > 0, np.nan, 0.0),), merged)
    return collector.evidence(source)


def _compare(
    runner: Runner, own: Sequence[Array], other: Sequence[Array], labels: Array | None
) -> dict[str, Array]:
    count = len(own[0])
    agreement, within = np.full(count, np.nan), np.full(count, np.nan)
    largest, absolute = np.full(count, -1, np.int64), np.zeros(count)
    shares: list[Array] = []
    positions: list[Array] = []
    quantised = all(each.dtype.kind in "iu" for each in own)
    for info, a, b in zip(runner.outputs, own, other, strict=True):
        one, two = classes_last(a, labels), classes_last(b, labels)
        if one.ndim > 1 and one.shape[-1] > 1:
            positions.append((top1(one) == top1(two)).reshape(count, -1))
        scale = info.scales[0] if info.scales else 1.0
        if a.dtype.kind in "iu":
            apart = steps(a, b).reshape(count, -1)
            absolute = np.maximum(absolute, apart.max(axis=1) * scale)
            largest = np.maximum(largest, apart.max(axis=1))
            shares.append(apart <= 1)
        else:
            with np.errstate(invalid="ignore"):  # Inf - Inf is NaN, which is reported
                apart = np.abs(a.astype(np.float64) - b.astype(np.float64)).reshape(count, -1)
            absolute = np.maximum(absolute, apart.max(axis=1))
    if positions:
        agreement = np.concatenate(positions, axis=1).mean(axis=1)
    if quantised and shares:
        within = np.concatenate(shares, axis=1).mean(axis=1)
    else:
        largest = np.full(count, -1, np.int64)
    bad = nonfinite_samples(tuple(own)) | nonfinite_samples(tuple(other))
    return {
        "agreement": agreement,
        "steps": largest,
        "within": within,
        "absolute": absolute,
        "bad": bad.astype(np.int64),
    }


def parity_agreement(passes: Passes) -> Finding:
    """Share of samples (of positions, for dense outputs) with the same top-1 everywhere."""
    found = finite_or_finding(passes.parity())
    if not isinstance(found, Evidence):
        return found
    agreement = found.arrays["agreement"]
    if np.isnan(agreement).any():
        return NotMeasured(
            "no output has class scores to compare",
            "gate parity_lsb or parity_abs instead",
        )
    hits = agreement == 1
    whole = bool((hits | (agreement == 0)).all())
    estimate = (
        share(hits, passes.resampling, "agreement")
        if whole
        else mean(agreement, passes.resampling, "agreement")
    )
    return measured(estimate, found)


def parity_lsb(passes: Passes) -> Finding:
    """The largest difference of any output element, in output steps."""
    return _exact(passes, "steps")


def parity_within_lsb(passes: Passes) -> Finding:
    """Share of output elements that differ by at most one step."""
    return _exact(passes, "within")


def parity_abs(passes: Passes) -> Finding:
    """The largest difference of any output element, in real values."""
    return _exact(passes, "absolute")


def _exact(passes: Passes, key: str) -> Finding:
    found = finite_or_finding(passes.parity())
    if not isinstance(found, Evidence):
        return found
    values = found.arrays[key]
    if key != "absolute" and (found.arrays["steps"] < 0).any():
        return without_steps()
    value = float(values.mean() if key == "within" else values.max())
    return Measurement(
        value,
        found.source,
        n=found.n,
        n_total=found.n,
        cached=found.cached,
        exact=_counted(values, found.arrays["elements"]) if key == "within" else None,
    )


def without_steps() -> NotMeasured:
    """The finding for a figure in steps of outputs that have none."""
    return NotMeasured(
        "an output is float, so it has no quantisation steps",
        "gate parity_abs instead, or make the outputs int8 or uint8",
    )


def alone_in(runtimes: Sequence[str], form: str, target: str) -> NotMeasured | None:
    """The finding for a target with fewer than two runtimes for a format, else None."""
    if len(runtimes) > 1:
        return None
    return NotMeasured(
        f"{target} lists one runtime for {form}",
        "list another one to compare with in the target's runtimes",
    )


def _counted(shares: Array, elements: Array) -> Fraction:
    """A mean of shares as the exact ratio of the underlying counts."""
    return Fraction(int(np.rint(shares * elements).sum()), int(elements.sum()))
