"""Quantisation-aware training of Keras models, to int8 .tflite."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pytest_edgegate.backends.keras_qat.work import CHILD, PACKAGES, Work
from pytest_edgegate.backends.litert.inputs_outputs import put_in_order_of
from pytest_edgegate.backends.litert.output_steps import output_steps
from pytest_edgegate.backends.litert.runtime import REFERENCE, XNNPACK
from pytest_edgegate.backends.litert.schema import pack, unpack
from pytest_edgegate.backends.tf_graphs import graph_names
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import LoadedModel, Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import QAT, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.splits import Array


class KerasQatToLiteRT(TransformDefaults):
    """Trains with simulated int8 in a separate process, and converts the trained model.

    Weights get symmetric ranges, for each channel of a convolution and for a whole Dense layer;
    activations one range a tensor; batch normalisation is folded (the default 8-bit scheme of
    tensorflow-model-optimization). Ranges begin with the extremes of some training samples.
    """

    version = 3
    packages = (*PACKAGES, "ai-edge-litert", "flatbuffers", "ml_dtypes")
    moves = (Move(("keras", "float32"), QAT, ("litert", "int8")),)

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"io": target.default_io, "hard_swish": _takes_hard_swish(target)}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        assert isinstance(step, QAT)  # its only move
        loaded = model.load()
        work = Work(model.name, loaded, data, step, hard_swish=_takes_hard_swish(target))
        main = out / f"{model.name}.tflite"
        with data.process(CHILD) as child:
            trained = work.learn(child)
            main.write_bytes(work.converted(child, target.default_io))
            simulated = work.simulated(child)
        main.write_bytes(_in_order(main, loaded))
        with XNNPACK.open(main) as runner:
            found = runner.infer(work.seen)
        steps = output_steps(main)
        agreement = work.agreement(found, simulated, steps, main.name, partial(_reference, main))
        facts = {"training": trained, "agreement": agreement}
        return Produced(main, (main,), loaded.notes, facts=facts)

    def check(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData
    ) -> None:
        assert isinstance(step, QAT)  # its only move
        Work(model.name, model.load(), data, step)


def _reference(path: Path, inputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """The outputs of a file in the other kind of kernels."""
    with REFERENCE.open(path) as runner:
        return tuple(runner.infer(inputs))


def _takes_hard_swish(target: Target) -> bool:
    """Whether the target runs that operator; another gets additions and multiplications."""
    return not target.operators or "HARD_SWISH" in target.operators


def _in_order(path: Path, loaded: LoadedModel) -> bytes:
    """The file with its inputs and outputs in the model's order, under the model's names."""
    model = unpack(path)
    put_in_order_of(model, loaded, graph_names(loaded.inputs))
    return pack(model)


TRANSFORM = KerasQatToLiteRT()
