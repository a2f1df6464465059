"""Parity: compares the same file in every runtime that the target lists, sample by sample."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import BackendUnavailableError, UnsupportedError
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.feeding import dequantised, quantised
from pytest_edgegate.data.splits import Array, Split
from pytest_edgegate.measures.comparison import (
    channel_groups,
    of_worst_group,
)
from pytest_edgegate.measures.estimated import measured
from pytest_edgegate.measures.evidence import (
    Collector,
    Column,
    Columns,
    Evidence,
    SamplesDone,
    check_figures,
    fed_batches,
    nonfinite_samples,
)
from pytest_edgegate.measures.labels import classes_last
from pytest_edgegate.measures.like_channels import MOST, Group, key
from pytest_edgegate.measures.matching import OutputsDifferError, matched, output_names
from pytest_edgegate.measures.metrics.estimates import mean, share
from pytest_edgegate.measures.providers import Passes
from pytest_edgegate.measures.worst_place import STOPPED, worst_of
from pytest_edgegate.stats.distances import steps, top1

SHOWN, SHOWN_SECONDS = 200, 5.0
"""The number of samples for the agreement shown without a parity budget, and the time for them."""

_NEAR, _SIZE, _BAD = "near_", "size_", "bad_"
FIGURES: Columns = {
    "agreement": Column(),
    "steps": Column("i", -1),
    "within": Column(),
    "absolute": Column(),
    "elements": Column("i", 1),
    "answer": Column("i", 0),
    STOPPED: Column("i", 0),
    f"{_BAD}0": Column("i", 0),
    f"{_BAD}1": Column("i", 0),
}
"""The per-sample results of ``compare``, beside those of each output."""
_ONE_ANSWER = (
    "the file gives every sample the same answer, so that the runtimes agree on it proves nothing"
)
_MAY_STOP = 4
"""The number of samples in a batch of a pass that may end before its last one: reference kernels
take long for each."""
_EXACT = frozenset({"int8", "uint8", "int16", "uint16"})
"""A float32 real value gives back every integer of these dtypes; wider ones it may round."""


def compare(
    runners: Sequence[Runner],
    split: Split,
    source: str,
    limit: int | None = None,
    progress: SamplesDone = lambda done, total: None,
    enough: Callable[[], bool] | None = None,
) -> Evidence:
    """Per-sample differences between every runner and the first one.

    *enough*: asked after every batch whether the pass may end.

    ``agreement``: share of positions with equal top-1 (NaN where no output has classes);
    ``steps`` and ``within``: largest difference in output steps and share within one step (-1 and
    NaN where an output is float); ``answer``: the same number for the same top-1 everywhere, 0
    where no output has classes; ``absolute``: largest difference in real values; ``elements``:
    the number of output values per sample; ``near_i`` of output i: the number of its values within
    one step, by channel if it has any of its own (``like_channels``), and ``size_i``: of all;
    ``bad_i``: whether the outputs of runner i are NaN or Inf; ``stopped``: whether the pass has
    ended before its last sample.
    """
    collector = Collector(output_names(runners[0]))
    first, *others = runners
    may_stop = enough is not None
    size = _MAY_STOP if may_stop else None
    is_late = stopped = False
    for batch, given in fed_batches(first, split, limit, progress, may_stop=may_stop, size=size):
        if is_late:  # asked once there is another batch
            stopped = True
            break
        inputs = tuple(
            quantised(array, each) for array, each in zip(given, first.inputs, strict=True)
        )
        own = _raw_answers(first, given, inputs)
        answers = [each.infer_raw(inputs) for each in others]
        worst = [_compare(first, own, each, batch.labels) for each in answers]
        merged = {
            "agreement": np.min([each["agreement"] for each in worst], axis=0),
            "steps": np.max([each["steps"] for each in worst], axis=0),
            "within": np.min([each["within"] for each in worst], axis=0),
            "absolute": np.max([each["absolute"] for each in worst], axis=0),
            "elements": np.full(len(batch), sum(array[0].size for array in own), np.int64),
            "answer": worst[0]["answer"],
        }
        for name in (each for each in worst[0] if each.startswith((_NEAR, _SIZE))):
            merged[name] = np.min([each[name] for each in worst], axis=0)
        bad = np.array([nonfinite_samples(each) for each in (own, *answers)])
        merged |= {f"{_BAD}{at}": each.astype(np.int64) for at, each in enumerate(bad)}
        collector.add(batch, (np.where(bad.any(axis=0), np.nan, 0.0),), merged)
        is_late = enough is not None and enough()
    made = collector.evidence(source)
    told = np.full(made.n, stopped, np.int64)
    return replace(made, arrays={**made.arrays, STOPPED: told})


def bad_in(found: Evidence, at: int) -> int:
    """The number of samples on which a runner of ``compare`` gave NaN or Inf, by its position."""
    return int(found.arrays[f"{_BAD}{at}"].sum())


def _raw_answers(
    runner: Runner, given: tuple[Array, ...], inputs: tuple[Array, ...]
) -> tuple[Array, ...]:
    """The outputs in their own dtypes, from those in real values where these lose nothing.

    A pass for another budget has mostly run the same samples, and its answers are remembered in
    real values. *given*: the samples in real values; *inputs*: in the dtypes of the file.
    """
    if not all(map(_is_exact, runner.outputs)):
        return runner.infer_raw(inputs)
    real = runner.infer(given)
    with np.errstate(all="ignore"):  # a scale of a file may be NaN or next to 0
        made = tuple(map(_as_declared, real, runner.outputs))
        again = tuple(
            dequantised(each, info) for each, info in zip(made, runner.outputs, strict=True)
        )
    return made if all(map(_returns, again, real, made)) else runner.infer_raw(inputs)


def _is_exact(output: TensorInfo) -> bool:
    """Whether real values give back what the file itself has."""
    scaled = bool(output.scales) and 0.0 not in output.scales
    return output.dtype == "float32" or (output.dtype in _EXACT and scaled)


def _as_declared(real: Array, info: TensorInfo) -> Array:
    """Real values in the dtype of their output."""
    return real if real.dtype.name == info.dtype else quantised(real, info)


def _returns(again: Array, real: Array, raw: Array) -> bool:
    """Whether the integers *raw* stand for these real values; floats are themselves."""
    return raw.dtype.kind == "f" or bool((again == real).all() and np.isfinite(real).all())


def _compare(
    runner: Runner, own: Sequence[Array], other: Sequence[Array], labels: Array | None
) -> dict[str, Array]:
    count = len(own[0])
    agreement, within = np.full(count, np.nan), np.full(count, np.nan)
    largest, absolute = np.full(count, -1, np.int64), np.zeros(count)
    shares: list[Array] = []
    positions: list[Array] = []
    answers = np.zeros(count, np.int64)
    by_output: dict[str, Array] = {}
    quantised = all(each.dtype.kind in "iub" for each in own)
    for at, (info, a, b) in enumerate(zip(runner.outputs, own, other, strict=True)):
        one, two = classes_last(a, labels), classes_last(b, labels)
        if one.ndim > 1 and one.shape[-1] > 1:
            best = top1(one)
            positions.append((best == top1(two)).reshape(count, -1))
            answers = _digests(answers, best)
        scale = info.scales[0] if info.scales else 1.0
        if a.dtype.kind in "iub":
            apart = (steps(a, b) if a.dtype.kind in "iu" else (a != b).astype(np.int64)).reshape(
                count, -1
            )
            absolute = np.maximum(absolute, apart.max(axis=1) * scale)
            largest = np.maximum(largest, apart.max(axis=1))
            near = apart <= _rounding(info, a)
            shares.append(near)
            by_output |= _by_channel(at, near.reshape(a.shape))
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
    return {
        "agreement": agreement,
        "steps": largest,
        "within": within,
        "absolute": absolute,
        "answer": answers,
        **by_output,
    }


def _digests(before: Array, best: Array) -> Array:
    """A number for each sample, from that of the outputs *before* and its top-1 in this one."""
    rows = np.ascontiguousarray(best.reshape(len(best), -1), np.int32)
    pairs = zip(before.tolist(), rows, strict=True)
    return np.array([zlib.crc32(row.tobytes(), start) for start, row in pairs], np.int64)


def _rounding(output: TensorInfo, values: Array) -> int:
    """The largest difference that rounding makes, in steps: none between class numbers, counts and
    truth values, which are not quantised."""
    quantised = bool(output.scales) or values.dtype.itemsize < 4
    return 1 if quantised and values.dtype.kind != "b" else 0


def _by_channel(at: int, near: Array) -> dict[str, Array]:
    """The number of values within a step, by channel, and of all values."""
    count, size = len(near), near[0].size
    channels = near.shape[-1] if near.ndim > 1 and 2 <= near.shape[-1] <= MOST else 1
    found = near.reshape(count, -1, channels).sum(axis=1, dtype=np.int64)
    return {f"{_NEAR}{at}": found, f"{_SIZE}{at}": np.full(count, size, np.int64)}


def check_parity(evidence: Evidence) -> None:
    """Raises ValueError for evidence that ``compare`` cannot have produced."""
    check_figures(evidence, FIGURES)
    quantised = evidence.arrays["steps"].max() >= 0
    for at in range(len(evidence.outputs)):
        near, size = (evidence.arrays.get(f"{each}{at}") for each in (_NEAR, _SIZE))
        if near is None or size is None:
            if quantised or near is not size:
                raise ValueError("the figures of an output are incomplete")
            continue
        fits = near.ndim == 2 and size.ndim == 1 and near.dtype.kind == size.dtype.kind == "i"
        if not fits or not near.shape[1] or near.min() < 0 or (near.sum(axis=1) > size).any():
            raise ValueError("the figures of an output are malformed")


def parity_agreement(passes: Passes) -> Finding:
    """Share of samples (of positions, for dense outputs) with the same top-1 everywhere."""
    return worst_of(passes, lambda found: _agreement(found, passes), min)


def _agreement(found: Evidence, passes: Passes) -> Finding:
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
    if hits.all() and found.n > 1 and len(np.unique(found.arrays["answer"])) == 1:
        estimate = replace(estimate, provable=False, unprovable=_ONE_ANSWER)
    return measured(estimate, found)


def parity_lsb(passes: Passes) -> Finding:
    """The largest difference of any output element, in output steps."""
    return worst_of(passes, lambda found: _exact(found, "steps"), max)


def parity_within_lsb(passes: Passes) -> Finding:
    """Share of output elements that differ by at most one step, of the worst output.

    Of an output with groups of unlike channels it is that of the worst group.
    """
    return worst_of(passes, lambda found: _within(found, passes), min)


def _within(found: Evidence, passes: Passes) -> Finding:
    whole = _exact(found, "within")
    if isinstance(whole, NotMeasured) or whole.exact is None:
        return whole
    worst = min(_parts(found, passes), key=lambda each: each.share, default=None)
    if worst is None or worst.share >= whole.exact:
        return whole
    return replace(whole, value=float(worst.share), exact=worst.share, remark=worst.note)


@dataclass(frozen=True)
class _Part:
    """The share of elements within one step, of an output or of a group of its channels."""

    share: Fraction
    note: str


def _parts(found: Evidence, passes: Passes) -> list[_Part]:
    names = found.outputs
    near = [found.arrays[f"{_NEAR}{at}"].sum(axis=0) for at in range(len(names))]
    sizes = [int(found.arrays[f"{_SIZE}{at}"].sum()) for at in range(len(names))]
    parts = [
        _Part(Fraction(int(each.sum()), size), f"of output {name}, the worst")
        for name, each, size in zip(names, near, sizes, strict=True)
        if size
    ]
    for at, groups in _groups(found, passes).items():
        for group in groups:
            some = len(group) * sizes[at] // len(near[at])
            share = Fraction(int(near[at][list(group)].sum()), some)
            parts.append(_Part(share, of_worst_group(names[at], group)))
    return parts


def _groups(found: Evidence, passes: Passes) -> dict[int, tuple[Group, ...]]:
    """The groups of unlike channels by the position of an output in the file.

    They are those of the model under test; there are none without one.
    """
    names = found.outputs
    near = [found.arrays[f"{_NEAR}{at}"].shape[1] for at in range(len(names))]
    rows = [int(found.arrays[f"{_SIZE}{at}"][0]) // max(each, 1) for at, each in enumerate(near)]
    if not any(
        channels > 1 and not passes.reads_classes(names, at, rows[at])
        for at, channels in enumerate(near)
    ):
        return {}  # the model need not run
    try:
        compared = passes.compared()
        if isinstance(compared, NotMeasured):
            return {}
        order = matched(compared.outputs, names)
    except (OutputsDifferError, BackendUnavailableError, UnsupportedError):
        return {}  # a file may have other outputs than its model, or be gated without it
    return {
        order[at]: each
        for at, each in channel_groups(compared, passes).items()
        if near[order[at]] == compared.arrays[key(at)].shape[-1]
    }


def parity_abs(passes: Passes) -> Finding:
    """The largest difference of any output element, in real values."""
    return worst_of(passes, lambda found: _exact(found, "absolute"), max)


def of_source(passes: Passes, source: str) -> Evidence | None:
    """The differences that a figure rests on, by its source."""
    found = passes.parity()
    if isinstance(found, NotMeasured):
        return None
    return next((each for each in found if each.source == source), None)


def _exact(found: Evidence, key: str) -> Finding:
    values = found.arrays[key]
    if key != "absolute" and (found.arrays["steps"] < 0).any():
        return without_steps()
    is_mean = key == "within"
    return Measurement(
        float(values.mean() if is_mean else values.max()),
        found.source,
        n=found.n,
        n_total=found.n,
        cached=found.cached,
        over_for_sure=not is_mean,
        exact=_counted(values, found.arrays["elements"]) if is_mean else None,
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
