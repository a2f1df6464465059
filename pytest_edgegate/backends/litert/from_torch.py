"""torch modules to .tflite, by litert-torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_edgegate.backends.litert.inputs_outputs import put_in_order_of
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.schema import pack, unpack
from pytest_edgegate.backends.litert.torch_layers import (
    channels_last_module,
    layer_of,
    name_tensors,
    written_state,
)
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tools import needed, tool_errors
from pytest_edgegate.backends.torch_programs import refuse_other_floats
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import (
    CompressionError,
    EdgeGateError,
    UnsupportedError,
)
from pytest_edgegate.core.layout import CHANNELS_LAST, Layout
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import (
    GraphBatch,
    LoadedModel,
    Produced,
    SourceModel,
    TransformData,
)
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target


class TorchToLiteRT(TransformDefaults):
    """Float export with a static batch of 1, images with their channels last.

    64-bit integers become 32-bit ones, which is what boards have.
    """

    version = 1
    takes_graphs = GraphBatch.FREE
    packages = ("torch", "litert-torch", "litert-converter", "jax", "ai-edge-litert")
    moves = (Move(("torch", "float32"), None, ("litert", "float32")),)

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        main = out / f"{model.name}.tflite"
        layout = write_converted(model, main)
        return Produced(main, (main,), model.load().notes, layout)


@dataclass(frozen=True)
class ConversionOptions:
    """Hooks before and after the conversion of a program."""

    program: Callable[[Any], Any] = lambda program: program
    """Gives something with the ``graph`` and the ``module`` of an exported program."""
    converter: Callable[[], Mapping[str, Any]] = dict
    """Gives keyword arguments of the converter."""
    finish: Callable[[Any], None] = lambda model: None
    """Changes the ModelT before it is written."""


AS_IT_IS = ConversionOptions()


def write_converted(
    model: SourceModel, main: Path, options: ConversionOptions = AS_IT_IS
) -> Layout:
    """Converts a torch program to *main*; gives where its axes are.

    Raises UnsupportedError for an operator that LiteRT does not have, CompressionError.
    """
    loaded = model.load()
    images = [at for at, each in enumerate(loaded.inputs) if _is_image(each)]
    with held_native_output():
        litert_torch = _litert_torch()
        with tool_errors(lambda error: _conversion_error(model, loaded, error)):
            _refuse_state(model, loaded)
            refuse_other_floats(model.name, loaded)
            main.write_bytes(_converted(litert_torch, loaded, images, options))
            main.write_bytes(_with_names(main, loaded, options))
            _refuse_what_does_not_run(model, main)
    axes = tuple(CHANNELS_LAST if at in images else None for at in range(len(loaded.inputs)))
    return Layout(axes, (None,) * len(loaded.outputs))


def _refuse_state(model: SourceModel, loaded: LoadedModel) -> None:
    """Rejects programs that write state, which a file on a board would lose between samples."""
    names = written_state(loaded.framework_model) or list(loaded.stateful)
    if names:
        raise UnsupportedError(
            f"{model.name} writes to {', '.join(names)} in its forward: a .tflite "
            "file keeps nothing from one sample to the next",
            "give that state as an input and return it as an output",
        )


def _is_image(tensor: Any) -> bool:
    return len(tensor.shape) == 4 and tensor.dtype.startswith("float")


def _litert_torch() -> ModuleType:
    with needed("litert-torch", "making a .tflite file of a torch model", "torch"):
        import litert_torch
    module: ModuleType = litert_torch
    return module


def _converted(
    litert_torch: Any, loaded: LoadedModel, images: list[int], options: ConversionOptions
) -> bytes:
    module = channels_last_module(options.program(loaded.framework_model), images)
    made = litert_torch.convert(module, tuple(_examples(loaded, images)), **options.converter())
    content: bytes = made.model_content()
    return content


def _examples(loaded: LoadedModel, images: list[int]) -> Iterator[Any]:
    """One sample of zeros for each input, in the axes of the file."""
    import torch

    for at, each in enumerate(loaded.inputs):
        if -1 in each.shape[1:] or each.shape[:1] not in ((-1,), (1,)):
            raise UnsupportedError(
                f"the input {each.name!r} has the shape {each.shape}: a .tflite file for a board "
                "has fixed shapes and takes one sample at a time",
                "export the model with every size fixed but the batch",
            )
        sizes = each.shape[1:]
        ordered = (sizes[1], sizes[2], sizes[0]) if at in images else sizes
        yield torch.zeros((1, *ordered), dtype=getattr(torch, each.dtype))


def _with_names(path: Path, loaded: LoadedModel, options: ConversionOptions) -> bytes:
    """The file with inputs and outputs in the model's order and under its names, finished.

    The converter's signature calls them ``args_0`` and ``output_0``, and on, in the model's order.
    """
    model = unpack(path)
    name_tensors(model)
    put_in_order_of(model, loaded, [f"args_{at}" for at in range(len(loaded.inputs))])
    options.finish(model)
    return pack(model)


def _conversion_error(model: SourceModel, loaded: LoadedModel, error: Exception) -> EdgeGateError:
    text = str(error)
    missing = re.search(r"Lowering not found: ([\w.]+)", text)
    illegal = re.search(r"failed to legalize operation '([\w.]+)'", text)
    if missing is None and illegal is None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return CompressionError(
            f"litert-torch failed on {model.name}: {type(error).__name__}: "
            f"{(lines or ['(no message)'])[0][:300]}",
            "the converter's own traceback is at --tb=long",
        )
    operator = (missing or illegal).group(1)  # type: ignore[union-attr]
    return _unsupported(model, operator, layer_of(loaded.framework_model, operator))


def _unsupported(model: SourceModel, operator: str, layer: str) -> UnsupportedError:
    return UnsupportedError(
        f"{model.name} has the operator {operator}{layer}, which LiteRT does not have",
        "write that layer without output_padding and dilation, or as Upsample and Conv2d"
        if operator.endswith("convolution")
        else "write that layer with operators that have one (convolutions, linear layers, pooling, "
        "elementwise arithmetic), or move it out of the model",
    )


def _refuse_what_does_not_run(model: SourceModel, path: Path) -> None:
    """Rejects operators in the file that LiteRT can't run (STABLEHLO_SORT)."""
    from ai_edge_litert import interpreter as litert

    try:
        litert.Interpreter(model_path=str(path), num_threads=1).allocate_tensors()
    except (ValueError, RuntimeError) as error:
        kinds = re.findall(r"'?(STABLEHLO_\w+)'?", str(error))
        named = next(
            (each for each in INSPECTOR.describe(path).operators if each.kind in kinds), None
        )
        if named is None:
            raise
        layer = f" in {named.outputs[0].name}"
        raise _unsupported(model, named.kind, layer) from error


TRANSFORM = TorchToLiteRT()
