"""Quantisation-aware training of Keras models, to int8 .onnx.

tensorflow-model-optimization's only way out is a .tflite file. tf2onnx reads it back with all of
its integers: what is left to do is what a runtime fuses by, unsigned activations among it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras_qat.work import ALLOWED, CHILD, Work
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx.canonical import make_canonical
from pytest_edgegate.backends.onnx.integer_form import in_integers, output_steps
from pytest_edgegate.backends.onnx.model_file import OPSET, cleaned, write
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.core.errors import BackendUnavailableError, CompressionError
from pytest_edgegate.core.ports import LoadedModel, Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import QAT
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.agreement import agreement
from pytest_edgegate.data.splits import Array


def trained_for_int8(
    model: SourceModel, step: QAT, target: Target, data: TransformData, out: Path
) -> Produced:
    """Trains with int8 simulated and writes an .onnx file with float ends and a batch of 1.

    Raises UnsupportedError and ConfigurationError before any training, CompressionError after.
    """
    loaded = model.load()
    work = Work(model.name, loaded, data, step)
    with data.process(CHILD) as child:
        trained = work.learn(child)
        content = work.converted(child, "float32")
        simulated = work.simulated(child)
    main = out / f"{model.name}.onnx"
    with held_native_output():
        try:
            made = cleaned(in_integers(_read_back(content), target.activations))
            _name_ends(made, loaded)
            write(made, main)
        except BackendUnavailableError:
            raise
        except Exception as error:  # tf2onnx raises many kinds of its own
            text = " ".join(str(error).split())[:300]
            raise CompressionError(
                f"tf2onnx failed on the int8 form of {model.name}: {type(error).__name__}: {text}",
                "use PTQ() for this target; tf2onnx's own traceback is at --tb=long",
            ) from error
    facts = {"training": trained, "agreement": _compared(main, work.seen, simulated)}
    return Produced(main, (main,), loaded.notes, facts=facts)


def _read_back(content: bytes) -> Any:
    """The ModelProto of a .tflite file, each quantised tensor between a pair of conversions."""
    try:
        import tf2onnx
    except ImportError as error:
        raise BackendUnavailableError(
            error.name or "tf2onnx", "making an .onnx file of a Keras model", "all"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.tflite")
        path.write_bytes(content)
        made, _ = tf2onnx.convert.from_tflite(str(path), opset=OPSET)
    return made


def _name_ends(made: Any, loaded: LoadedModel) -> None:
    """Inputs and outputs under the model's names and in its order."""
    given = [f"serving_default_{each.name}:0" for each in loaded.inputs]
    names = {
        **dict(zip(given, (each.name for each in loaded.inputs), strict=True)),
        **dict(zip((each.name for each in made.graph.output), loaded.outputs, strict=True)),
    }
    make_canonical(made.graph, given, names)


def _compared(path: Path, inputs: tuple[Array, ...], simulated: Sequence[Array]) -> dict[str, Any]:
    """How far the file's outputs lie from the *simulated* ones, in steps of its outputs.

    Raises CompressionError where the file is another model.
    """
    with OPTIMISED.open(path) as runner:
        found = runner.infer(inputs)
    return agreement(found, simulated, output_steps(path), path.name, **ALLOWED)
