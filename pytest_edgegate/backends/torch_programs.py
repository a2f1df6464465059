"""Loaded torch programs, for the backends that make files of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel, Runner, TransformData
from pytest_edgegate.data.agreement import agreement, samples_of
from pytest_edgegate.data.splits import Array

_OTHER_FLOATS = frozenset({"torch.float16", "torch.bfloat16", "torch.float64"})


def torch_outputs(loaded: LoadedModel, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """The outputs of a program for some samples, (n, ...) float32 for each output."""
    import torch

    with torch.no_grad():
        made = loaded.function(*(torch.tensor(each) for each in inputs))
    return tuple(each.detach().float().numpy() for each in made)


def agreement_with_file(
    loaded: LoadedModel,
    data: TransformData,
    opened: Runner,
    steps: Sequence[float | None],
    what: str,
) -> dict[str, Any]:
    """The difference between an opened file and the program that it was made from, on samples.

    *steps* are the scales of its outputs, *what* names it. Raises CompressionError where it
    computes something else.
    """
    inputs = samples_of(data, loaded.inputs)
    with opened as runner:
        made = runner.infer(inputs)
    return agreement(made, torch_outputs(loaded, inputs), steps, what)


def refuse_other_floats(name: str, loaded: LoadedModel) -> None:
    """Refuses a program with weights in another float format, or that multiplies in one.

    Raises UnsupportedError.
    """
    if any("autocast" in str(node.target) for node in loaded.framework_model.graph.nodes):
        raise UnsupportedError(
            f"the forward of {name} has torch.autocast in it, and recipes start from float32",
            "take it out of the forward: training may go on with it around the call of the model",
        )
    dtypes = {str(each.dtype) for each in loaded.framework_model.state_dict.values()}
    other = sorted(dtypes & _OTHER_FLOATS)
    if other:
        raise UnsupportedError(
            f"{name} has {other[0]} weights, and recipes start from float32",
            "return model.float() from edge_model, and take casts to other floats out of its "
            "forward; Cast('float16') makes the file small again",
        )
