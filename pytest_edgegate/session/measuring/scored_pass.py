"""One pass of one model over a split, scored by a metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.feeding import bare_name, bare_names
from pytest_edgegate.data.splits import Array, Split, as_given
from pytest_edgegate.measures.evidence import Collector, Evidence, SamplesDone, fed_batches
from pytest_edgegate.measures.fed_inputs import NOT_QUANTISED, Held
from pytest_edgegate.measures.metrics import Scoring


def observe(
    runner: Runner,
    split: Split,
    scoring: Scoring,
    source: str,
    progress: SamplesDone = lambda done, total: None,
    held: Held = NOT_QUANTISED,
    enough: Callable[[], bool] | None = None,
    called: tuple[str, ...] = (),
    most: int | None = None,
) -> Evidence:
    """Runs one pass. *held*: the quantised inputs of the model's file. *called*: as for ``choice``.

    *enough*: asked after every batch whether the pass may end; the samples are then in an order in
    which any beginning is a random part. *most*: only so many samples, drawn at random.
    Raises ConfigurationError if data, labels and outputs do not fit.
    """
    pick, names = choice(scoring, runner.outputs, called)
    collector, keeper = Collector(names, runner, held, scoring.figures), scoring.keeper(split)
    may_stop, limit = (False, most) if enough is None else (True, split.size)
    for batch, inputs in fed_batches(runner, split, limit, progress, may_stop=may_stop):
        if batch.labels is None:
            raise unlabelled(split, scoring)
        outputs = runner.infer(inputs)
        seen = (pick(outputs), batch.labels, as_given(batch.inputs, split.names))
        collector.add(batch, outputs, scoring.observe(*seen), inputs)
        if keeper is not None:
            keeper.add(*seen)
        if enough is not None and enough():
            break
    made = collector.evidence(source)
    more = {} if keeper is None else keeper.figures(made.n)
    return replace(made, arrays={**made.arrays, **more})


def unlabelled(split: Split, scoring: Scoring) -> ConfigurationError:
    """The error for samples without the labels that a metric compares with."""
    return ConfigurationError(
        f"edge_data.{split.name} has no labels, and {scoring.name} compares with them",
        "give a pair: EdgeData(..., evaluation=(x_test, y_test))",
    )


Pick = Callable[[tuple[Array, ...]], Any]
"""Selects what a metric scores from the outputs of a model."""


def choice(
    scoring: Scoring, outputs: tuple[TensorInfo, ...], called: tuple[str, ...] = ()
) -> tuple[Pick, tuple[str, ...]]:
    """Selects one output, or all of them by name if the metric takes them; with their names.

    *called*: the names of the same outputs in the model under test, for a file made from it. They
    are matched by name where both use the same names, otherwise by position.
    """
    if not scoring.reads_all_outputs or (len(outputs) == 1 and not scoring.wants_names):
        at = index_of(scoring.output, outputs)
        return lambda given: given[at], ()
    names = tuple(bare_names(outputs))
    if len(called) == len(names) and sorted(called) != sorted(names):
        names = called
    return lambda given: dict(zip(names, given, strict=True)), names


def scored_output(scoring: Scoring, outputs: tuple[TensorInfo, ...]) -> TensorInfo:
    """The output that a metric of one output reads. Raises ConfigurationError."""
    return outputs[index_of(scoring.output, outputs)]


def index_of(output: int | str | None, outputs: tuple[TensorInfo, ...]) -> int:
    """The position of an output, given by its position, its name, or as the only one.

    Raises ConfigurationError if there is none, or if several are and none is named.
    """
    names = [bare_name(each.name) for each in outputs]
    if output is None and len(outputs) == 1:
        return 0
    if isinstance(output, int) and -len(outputs) <= output < len(outputs):
        return output
    for known in ([each.name for each in outputs], names):  # a name may look like an affixed one
        if isinstance(output, str) and output in known:
            return known.index(output)
    said = "edge_metric does not say which to score" if output is None else f"none is {output!r}"
    raise ConfigurationError(
        f"the model has {len(outputs)} outputs ({', '.join(names)}), and {said}",
        'return Metric("top1", output=0) from edge_metric',
    )
