"""Compares two models on the same samples, output by output: error, SQNR, swapped outputs.

Outputs are matched by name if both models use the same names, otherwise by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.splits import Array, Split
from pytest_edgegate.measures import like_channels
from pytest_edgegate.measures.channels import ChannelRanges
from pytest_edgegate.measures.evidence import (
    Collector,
    Column,
    Evidence,
    SamplesDone,
    check_figures,
    fed_batches,
    finite_or_finding,
)
from pytest_edgegate.measures.like_channels import (
    ChannelSums,
    Group,
    spell_channels,
    unlike_groups,
)
from pytest_edgegate.measures.matching import OutputsDifferError, matched, output_names
from pytest_edgegate.measures.providers import File, Passes

COMPARED = 1_000
"""The largest number of samples to compare; the verdict's n is the actual number."""
IDENTICAL_DB = 200.0
"""The value reported for no noise at all: beyond the 150 dB that float32 can resolve."""
EXPORT = "float export of the model"
"""The note of a figure that is not of the artifact in its row."""
_MANY = 12


def check_compared(evidence: Evidence) -> None:
    """Raises ValueError for evidence that ``compare_models`` cannot have produced."""
    sums = [(f"signal_{at}", f"noise_{at}_{at}") for at in range(len(evidence.outputs))]
    if not sums:
        raise ValueError("it names no outputs")
    figures = dict.fromkeys(("absolute", *chain(*sums)), Column())
    for at in range(len(evidence.outputs)):
        figures |= like_channels.figures(evidence.arrays, at)
    check_figures(evidence, figures)


def compare_models(
    reference: Runner,
    other: Runner,
    split: Split,
    source: str,
    limit: int | None = None,
    progress: SamplesDone = lambda done, total: None,
) -> Evidence:
    """Per-sample sums over each output, in the order of the *reference*'s outputs.

    Each is fed by the names of its own inputs, which may stand in another order.
    ``absolute``: largest difference; ``signal_i``: Σ x²; ``noise_i_j``: Σ (x_i - y_j)², for i = j
    and for every other output of the same shape; the sums over channels of ``ChannelSums``. All in
    real values.
    """
    names = output_names(reference)
    collector = Collector(names)
    order = matched(names, output_names(other))
    channels = [ChannelSums(at) for at in range(len(order))]
    ranges = [ChannelRanges(reference.outputs) for _ in range(2)]
    for batch, inputs in fed_batches(reference, split, limit, progress):
        own = reference.infer(inputs)
        theirs = other.infer(arrange(batch.inputs, split.names, other.inputs, split.name))
        paired = tuple(theirs[at] for at in order)
        collector.add(batch, (*own, *theirs), _sums(own, paired, channels))
        for counted, outputs in zip(ranges, (own, paired), strict=True):
            counted.add(outputs)
    found, others = (each.found for each in ranges)
    return replace(collector.evidence(source), channels=found, other_channels=others)


def _sums(
    own: Sequence[Array], theirs: Sequence[Array], channels: Sequence[ChannelSums]
) -> dict[str, Array]:
    count = len(own[0])
    flat = [each.reshape(count, -1).astype(np.float64) for each in own]
    other = [each.reshape(count, -1).astype(np.float64) for each in theirs]
    found: dict[str, Array] = {"absolute": np.zeros(count)}
    with np.errstate(invalid="ignore", over="ignore"):  # Inf - Inf is NaN, which is reported
        for at, x in enumerate(flat):
            if x.shape != other[at].shape:
                raise OutputsDifferError(
                    f"output {at} has shape {own[at].shape[1:]} in the model under test and "
                    f"{theirs[at].shape[1:]} in the file",
                    "give the model that the file was made from as edge_model",
                )
            found["absolute"] = np.maximum(found["absolute"], np.abs(x - other[at]).max(axis=1))
            found[f"signal_{at}"] = (x**2).sum(axis=1)
            shape = own[at].shape
            found |= channels[at].of(x.reshape(shape), other[at].reshape(shape))
            for to, y in enumerate(other):
                if to == at or (x.shape == y.shape and len(flat) <= _MANY):
                    found[f"noise_{at}_{to}"] = ((x - y) ** 2).sum(axis=1)
    return found


def export_error(passes: Passes, file: File) -> Finding:
    """The largest absolute difference between the outputs of a float file and of the model.

    The file is the artifact, or the float export of the model if the artifact is quantised.
    """
    measured = _largest(compared_export(passes, file), passes)
    if isinstance(measured, Measurement) and not _is_float(file):
        return replace(measured, remark=EXPORT)
    return measured


def compared_export(passes: Passes, file: File) -> Evidence | NotMeasured:
    """The comparison that ``export_error`` judges."""
    if _is_float(file):
        return passes.compared()
    if file.artifact.made:
        return passes.export_compared()
    return NotMeasured(
        f"{file.artifact.path.name} is not a float file, and what it was quantised from is not "
        "known",
        "use max_error, which compares the file itself, or gate the float file that it was made of",
    )


def _is_float(file: File) -> bool:
    promised = file.artifact.dtype
    return file.description().is_float if promised is None else promised.startswith("float")


def max_error(passes: Passes) -> Finding:
    """The largest absolute difference between the outputs of the artifact and of the model.

    In real values: integer outputs are dequantised.
    """
    return _largest(passes.compared(), passes)


def _largest(compared: Evidence | NotMeasured, passes: Passes) -> Finding:
    found = finite_or_finding(compared)
    if not isinstance(found, Evidence):
        return found
    values = found.arrays["absolute"]
    return Measurement(
        float(values.max()),
        found.source,
        n=found.n,
        n_total=passes.samples,
        cached=found.cached,
    )


def sqnr_db(passes: Passes) -> Finding:
    """Signal to quantisation noise of the worst output: 10 log10(Σ x² / Σ (x - y)²).

    Over all samples; x are the outputs of the model under test, y those of the artifact, in real
    values. Of an output with groups of unlike channels it is that of the worst group.
    """
    found = finite_or_finding(passes.compared())
    if not isinstance(found, Evidence):
        return found
    worst = min(signals(found, passes), key=lambda each: each.decibels)
    return Measurement(
        worst.decibels,
        found.source,
        n=found.n,
        n_total=passes.samples,
        cached=found.cached,
        remark=of_worst_group(worst.output, worst.channels) if worst.channels else "",
    )


def of_worst_group(output: str, channels: Group) -> str:
    """The note of a figure that is of a group of channels."""
    return f"of {spell_channels(channels)} of output {output}, the worst group of like channels"


@dataclass(frozen=True)
class Signal:
    """The signal-to-noise ratio of an output, or of a group of its channels."""

    output: str
    decibels: float
    channels: Group = ()


def signals(found: Evidence, passes: Passes) -> list[Signal]:
    """The ratio of each output, and of each group of its channels if they are unlike."""
    ratios = zip(found.outputs, decibels(found), strict=True)
    ways = [Signal(*each) for each in ratios]
    for at, groups in channel_groups(found, passes).items():
        sums = found.arrays[like_channels.key(at)].sum(axis=0)
        for group in groups:
            signal, noise = (float(sums[each, list(group)].sum()) for each in (2, 3))
            ways.append(Signal(found.outputs[at], _ratio(signal, noise), group))
    return ways


def channel_groups(found: Evidence, passes: Passes) -> dict[int, tuple[Group, ...]]:
    """The groups of each output with unlike channels, by its position in the model under test.

    An output that the metric reads as class scores has none.
    """
    arrays, names = found.arrays, found.outputs
    groups = {at: unlike_groups(arrays, at) for at in range(len(names))}
    return {
        at: each
        for at, each in groups.items()
        if each and not passes.reads_classes(names, at, like_channels.rows(arrays, at))
    }


def misplaced(found: Evidence) -> tuple[str, ...]:
    """Outputs of equal shape that hold the values of another output of the model.

    They are recognised by their values: the assignment with the least noise differs from the one
    by name or position, and has less than a quarter of its noise.
    """
    count = len(found.outputs)
    if count < 2 or found.nonfinite:
        return ()
    from scipy.optimize import linear_sum_assignment

    cost = np.full((count, count), np.inf)
    for at in range(count):
        signal = max(float(found.arrays[f"signal_{at}"].sum()), np.finfo(np.float64).tiny)
        for to in range(count):
            key = f"noise_{at}_{to}"
            if key in found.arrays:
                cost[at, to] = float(found.arrays[key].sum()) / signal
    finite = np.where(np.isfinite(cost), cost, 1e30)
    rows, best = linear_sum_assignment(finite)
    if finite[rows, best].sum() >= np.trace(finite) / 4:
        return ()
    names = found.outputs
    return tuple(
        f"output {names[to]}: holds the values of output {names[at]} of the model under test"
        for at, to in zip(rows, best, strict=True)
        if at != to
    )


def decibels(found: Evidence) -> list[float]:
    """Signal-to-noise ratio of each output, in their order."""
    return [_decibels(found, at) for at in range(len(found.outputs))]


def _decibels(found: Evidence, at: int) -> float:
    signal = float(found.arrays[f"signal_{at}"].sum())
    return _ratio(signal, float(found.arrays[f"noise_{at}_{at}"].sum()))


def _ratio(signal: float, noise: float) -> float:
    if noise == 0:
        return IDENTICAL_DB
    if signal == 0:
        return -IDENTICAL_DB
    return float(np.clip(10 * np.log10(signal / noise), -IDENTICAL_DB, IDENTICAL_DB))
