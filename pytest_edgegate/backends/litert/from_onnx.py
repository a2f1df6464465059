"""ONNX files to .tflite, by onnx2tf, a program in its own environment."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.litert.batch import fix_batch
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.onnx_inputs_outputs import prepared, restored
from pytest_edgegate.backends.litert.schema import pack, unpack
from pytest_edgegate.backends.lost_metadata import of_onnx
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import CompressionError, EdgeGateError, UnsupportedError
from pytest_edgegate.core.layout import CHANNELS_LAST, Layout
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import ExternalProgram, Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.tidy.programs import run
from pytest_edgegate.tidy.scratch import SCRATCH

PROGRAM = ExternalProgram(
    "onnx2tf",
    "converting an .onnx file to .tflite",
    """give it a separate environment, with Python 3.12 or later:

python3.12 -m venv ~/.onnx2tf && ~/.onnx2tf/bin/pip install onnx2tf

and name it in the ini file: edge_onnx2tf = ~/.onnx2tf/bin/onnx2tf""",
)
TIME_LIMIT = 600
"""Seconds for one conversion: a MobileNet takes a few, a program that hangs has to end."""


class OnnxToLiteRT(TransformDefaults):
    """Float export with a static batch of 1, images with their channels last."""

    version = 2
    packages = ("onnx", "ai-edge-litert", "flatbuffers")
    programs = (PROGRAM,)
    moves = (Move(("onnx", "float32"), None, ("litert", "float32")),)

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        self._time_limit = time_limit

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        program = data.program(PROGRAM.name)
        source = prepared(model)
        main = out / f"{model.name}.tflite"
        with tempfile.TemporaryDirectory(prefix="onnx2tf-", dir=SCRATCH.folder()) as folder:
            # It writes over the file that it is given: this one is a copy, never the user's
            given = Path(folder) / "model.onnx"
            given.write_bytes(source.content)
            printed = self._run(program, given, source.kept, model)
            made = given.with_name("made") / "model_float32.tflite"
            if not made.is_file():
                raise _failed(model, printed)
            finished = unpack(made)
        fix_batch(finished, main)
        restored(finished, source, model.name)
        main.write_bytes(pack(finished))
        _refuse_custom(model, main, source.nodes)
        inputs = tuple(CHANNELS_LAST if each.image else None for each in source.inputs)
        assert model.path is not None  # the format onnx is always a file
        layout = Layout(inputs, (None,) * len(source.outputs))
        return Produced(main, (main,), (), layout, of_onnx(model.path))

    def _run(self, program: Path, given: Path, kept: Sequence[str], model: SourceModel) -> str:
        """Runs the program and returns its output. Raises CompressionError, UnsupportedError."""
        command = [str(program), "-i", str(given), "-o", str(given.with_name("made")), "-n"]
        if kept:
            command += ["-kat", *kept]
        with (given.with_name("printed.txt")).open("w+b") as printed:
            environment = _environment(program, given.parent)
            try:
                code = run(command, given.parent, environment, printed, self._time_limit)
            except subprocess.TimeoutExpired as error:
                raise CompressionError(
                    f"onnx2tf did not finish {model.name} in {self._time_limit:g} seconds",
                    "convert the file by hand to see where it hangs, and gate the .tflite file",
                ) from error
            printed.seek(0)
            text = printed.read().decode("utf-8", "replace")
        if code:
            raise _failed(model, text)
        return text


def _environment(program: Path, folder: Path) -> dict[str, str]:
    """Nothing of this Python, and a home that is thrown away; its own tools are found first."""
    own = dict.fromkeys(str(each.parent) for each in (program, program.resolve()))
    kept = {key: os.environ[key] for key in ("LANG", "LC_ALL", "SYSTEMROOT") if key in os.environ}
    return {
        **kept,
        "PATH": os.pathsep.join([*own, os.environ.get("PATH", os.defpath)]),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONNOUSERSITE": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def _failed(model: SourceModel, printed: str) -> EdgeGateError:
    """The error, with the printed text as its cause, which --tb=long shows."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", _plain(printed)) if line.strip()]
    naming = [line for line in lines if re.search(r"error|unsupported|not support", line, re.I)]
    said = ((naming or lines)[-1] if lines else "it printed nothing")[:300]
    operator = re.search(r"\bop=(\w+) node=(\S+)", said)
    if operator is not None:
        error: EdgeGateError = UnsupportedError(
            f"{model.name} has the operator {operator[1]} ({operator[2]}), which onnx2tf can't "
            f"convert: {said}",
            "export the model with other operators there, or convert it by hand and gate the "
            ".tflite file",
        )
    else:
        error = CompressionError(
            f"onnx2tf failed on {model.name}: {said}", "all that it printed is at --tb=long"
        )
    error.__cause__ = RuntimeError(f"onnx2tf printed:\n{printed[-20_000:]}")
    return error


def _plain(text: str) -> str:
    """Without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _refuse_custom(model: SourceModel, path: Path, nodes: Mapping[str, str]) -> None:
    """Rejects custom operators (ONNX_DET), which no runtime executes."""
    described: Any = INSPECTOR.describe(path)
    found = dict.fromkeys(
        each.kind.removeprefix("CUSTOM:").removeprefix("ONNX_")
        for each in described.operators
        if each.kind.startswith("CUSTOM:")
    )
    if found:
        names = ", ".join(nodes.get(each, each) for each in found)
        raise UnsupportedError(
            f"{model.name} has operators that LiteRT does not: {names}",
            "export the model without them: with other layers, or cut off and done by your own "
            "code after it",
        )


TRANSFORM = OnnxToLiteRT()
