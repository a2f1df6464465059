"""Quantisation-aware training of Keras models, to int8 .onnx.

tensorflow-model-optimization can only write .tflite files. tf2onnx reads them back with all
integers; the patterns that a runtime fuses, such as unsigned activations, are added here.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras_qat.work import CHILD, Work
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx.canonical import name_as_model
from pytest_edgegate.backends.onnx.integer_operators import in_integers, output_steps
from pytest_edgegate.backends.onnx.model_file import OPSET, cleaned, write
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.backends.tf_graphs import graph_names
from pytest_edgegate.backends.tools import one_line, tool_errors
from pytest_edgegate.core.errors import BackendUnavailableError, CompressionError
from pytest_edgegate.core.ports import Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import QAT
from pytest_edgegate.core.target import Target
from pytest_edgegate.tidy.scratch import SCRATCH


def trained_for_int8(
    model: SourceModel, step: QAT, target: Target, data: TransformData, out: Path
) -> Produced:
    """Trains with int8 simulated and writes an .onnx file: float inputs and outputs, a batch of 1.

    Raises UnsupportedError and ConfigurationError before any training, CompressionError after.
    """
    loaded = model.load()
    work = Work(model.name, loaded, data, step, symmetric=target.activations == "int8")
    with data.process(CHILD) as child:
        trained = work.learn(child)
        content = work.converted(child, "float32")
        simulated = work.simulated(child)
    main = out / f"{model.name}.onnx"
    with held_native_output(), tool_errors(lambda error: _failed(model, error)):
        made = cleaned(in_integers(_read_back(content), target.activations))
        given = [f"serving_default_{name}:0" for name in graph_names(loaded.inputs)]
        name_as_model(made.graph, given, loaded)
        write(made, main)
    with OPTIMISED.open(main) as runner:
        found = runner.infer(work.seen)
    agreement = work.agreement(found, simulated, output_steps(main), main.name)
    facts = {"training": trained, "agreement": agreement}
    return Produced(main, (main,), loaded.notes, facts=facts)


def _failed(model: SourceModel, error: Exception) -> CompressionError:
    return CompressionError(
        f"tf2onnx failed on the int8 model of {model.name}: {type(error).__name__}: "
        f"{one_line(error)}",
        "use PTQ() for this target; tf2onnx's own traceback is at --tb=long",
    )


def check_training(model: SourceModel, step: QAT, data: TransformData) -> None:
    """Raises what ``trained_for_int8`` would raise before any training."""
    Work(model.name, model.load(), data, step)
    if find_spec("tf2onnx") is None:
        raise _missing("tf2onnx")


def _missing(package: str) -> BackendUnavailableError:
    return BackendUnavailableError(package, "making an .onnx file of a Keras model", "all")


def _read_back(content: bytes) -> Any:
    """The ModelProto of a .tflite file, each quantised tensor between a pair of conversions."""
    try:
        import tf2onnx
    except ImportError as error:
        raise _missing(error.name or "tf2onnx") from error
    with tempfile.TemporaryDirectory(dir=SCRATCH.folder()) as folder:
        path = Path(folder, "int8.tflite")
        path.write_bytes(content)
        made, _ = tf2onnx.convert.from_tflite(str(path), opset=OPSET)
    return made
