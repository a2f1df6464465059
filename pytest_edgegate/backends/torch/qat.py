"""Quantisation-aware training of torch modules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tools import first_line, tool_errors
from pytest_edgegate.backends.torch.converted import converted, output_steps
from pytest_edgegate.backends.torch.exporting import exported
from pytest_edgegate.backends.torch.fake_quantised import (
    MODES,
    calibrate,
    import_pt2e,
    prepared,
    settle,
)
from pytest_edgegate.backends.torch.integer_support import refuse_what_stays_float
from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.backends.torch.saving import save_program
from pytest_edgegate.backends.torch.simplify import simplified
from pytest_edgegate.backends.torch.trainable import refuse_fixed_batch, trainable_of
from pytest_edgegate.backends.torch.training import check_fit, fit
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import (
    LoadedModel,
    Produced,
    SourceModel,
    TrainingData,
    TransformData,
)
from pytest_edgegate.core.recipe import QAT, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.agreement import SAMPLES, agreement
from pytest_edgegate.data.splits import Array


class TorchQat(TransformDefaults):
    """Trains with the deployed arithmetic simulated; returns an int8 program for any target.

    Weights are symmetric int8 with a scale for each output channel (one for all in linear layers,
    as boards have it), activations int8 with one scale a tensor.
    """

    version = 3
    packages = ("torch", "torchao")
    moves = (Move(("torch", "float32"), QAT, ("torch", "int8")),)

    def constraints(self, target: Target) -> Mapping[str, object]:
        """Targets with symmetric activations (TensorRT) need a separate training."""
        return {"symmetric": _symmetric(target)}

    def check(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData
    ) -> None:
        assert isinstance(step, QAT)  # the only step of the only move
        loaded = model.load()
        training = data.training(loaded.inputs)
        module, _ = _begun(import_torch(), model, loaded, target, training)
        check_fit(module, training, step, model.name, modes=MODES)

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        assert isinstance(step, QAT)  # the only step of the only move
        torch, loaded = import_torch(), model.load()
        training = data.training(loaded.inputs)
        module, tensors = _begun(torch, model, loaded, target, training)
        trained = fit(module, training, step, model.name, modes=MODES)
        main = out / f"{model.name}.pt2"
        with held_native_output(), torch.random.fork_rng(devices=[]):
            settle(torch, module, tensors)
            program, apart = _program(torch, module, model, tensors)
            save_program(
                program,
                loaded.inputs,
                main,
                outputs=loaded.outputs,
                sample=training.example().inputs,
            )
        facts = {"training": trained, "agreement": apart}
        return Produced(main, (main,), loaded.notes, facts=facts)


def _begun(
    torch: Any, model: SourceModel, loaded: LoadedModel, target: Target, training: TrainingData
) -> tuple[Any, tuple[Any, ...]]:
    """The rounding module, and the first samples, which chose its ranges."""
    import_pt2e()
    tensors = tuple(torch.tensor(each) for each in training.example().inputs)
    with held_native_output(), torch.random.fork_rng(devices=[]):  # torchao draws samples
        return _rounding(torch, model, loaded, tensors, target), tensors


def _symmetric(target: Target) -> bool:
    return target.activations == "int8"


def _rounding(
    torch: Any, model: SourceModel, loaded: LoadedModel, tensors: tuple[Any, ...], target: Target
) -> Any:
    """The model ready to be trained, its first ranges chosen by the first samples."""
    few = tuple(torch.cat([each, each])[:2] if len(each) < 2 else each[:2] for each in tensors)
    original = trainable_of(model.name, loaded)
    for part in original.modules():  # exported ones refuse eval()
        part.training = False
    program = exported(torch, original, few, model.name)
    refuse_fixed_batch(program, model.name)
    module = program.module(check_guards=False)
    module = simplified(torch, module, model.name)
    program = exported(torch, module, few, model.name)
    refuse_what_stays_float(program, model.name)
    with tool_errors(lambda error: _failed(model, error)):
        made = prepared(program.module(check_guards=False), symmetric=_symmetric(target))
        calibrate(torch, made, tensors)
    return made


def _program(
    torch: Any, module: Any, model: SourceModel, tensors: tuple[Any, ...]
) -> tuple[Any, dict[str, Any]]:
    """The int8 program, and its difference from the trained module on some samples."""
    few = tuple(each[:SAMPLES] for each in tensors)
    simulated = _outputs(torch, module, few)
    try:
        program = converted(torch, module)
    except Exception as error:  # torchao raises many types
        raise _failed(model, error) from error
    made = _outputs(torch, program, few)
    return program, agreement(made, simulated, output_steps(program), f"{model.name}.pt2")


def _outputs(torch: Any, module: Any, tensors: tuple[Any, ...]) -> list[Array]:
    with torch.no_grad():
        return [each.numpy() for each in torch.utils._pytree.tree_leaves(module(*tensors))]


def _failed(model: SourceModel, error: Exception) -> CompressionError:
    return CompressionError(
        f"torchao failed on {model.name}: {first_line(error)}",
        "quantise it after training, by PTQ(); torchao's own traceback is at --tb=long",
    )


TRANSFORM = TorchQat()
