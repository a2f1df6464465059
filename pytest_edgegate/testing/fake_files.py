"""The files of the fake backend: JSON that says what a model answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_edgegate.core.description import (
    KeptState,
    ModelDescription,
    OperatorInfo,
    Origin,
    TensorInfo,
)
from pytest_edgegate.core.errors import InferenceError

FORMAT = "edgegate-fake"
CLASSES = 10
IMAGE = (4, 4, 3)
"""The shape of an image."""


def fake_model(path: Path, **what: Any) -> Path:
    """Writes a fake model. ``what`` may have:

    ``wrong``: numbers of samples that it answers wrongly; ``ptq_wrong``: the same after PTQ;
    ``other_wrong``: after PTQ, in the second runtime; ``nan``: numbers that give NaN after PTQ;
    ``io``: the dtype of inputs and outputs after PTQ; ``float_fallback``: operators that PTQ
    leaves in float, and ``origin``: their (cause, remedy); ``note``: what PTQ tells of its file;
    ``holds``: the two ends of the range of its input after PTQ, which a QUANTIZE reads;
    ``state``: the call that resets the state of the file; ``bytes``: the size of the float file,
    of which PTQ leaves a quarter; ``alone``: it fails on more than one sample at a time, though
    its batch is free; ``leaks``: how much each score changes with the mean number of a batch, and
    ``ptq_leaks`` after PTQ; ``by_range``: the same with its largest number, by an operator that
    quantises by the range of a batch; ``together``: what a batch of several adds to the scores of
    the first class; ``crowded``: the same as ``leaks``, only in batches of more than 32;
    ``far``: what is added to the scores of the first class from the 33rd sample of a batch on;
    ``drifts``: what each call adds to them for all later ones, and ``ptq_`` before one of these
    four after PTQ; ``random``: the size of what is drawn anew for each score, and ``ptq_random``
    after PTQ;
    ``classes``: how many there are, 10 if it is left out; ``outputs``: the names of several
    outputs, the first with the scores, each further one with those of the next class;
    ``argmax``: it answers the number of the class, int64 of shape (n,), in place of scores;
    ``constant``: it answers class 0 to every sample;
    ``colours``: "rgb" or "bgr", for a model of the images of ``fake_images``;
    ``dtype``: "int8" for a finished file; ``seconds``: the time of an inference on the fake
    clock, and ``ptq_seconds`` after PTQ; ``noise``: the standard deviation of its logarithm;
    ``outliers``: the share of inferences that take five times as long; ``drift``: the slow-down
    after 20 s; ``shift``: the standard deviation of the logarithm of the factor that the times
    of one opening share; ``warm_up``: the number of inferences after opening that take ten
    times as long; ``figures``: the answers of ``fake-tool``, see ``testing.fake_tool``.
    """
    content = {"format": FORMAT, "dtype": "float32", "bytes": 4000, **what}
    path.write_text(_padded(content, content["bytes"]))
    return path


def describe(content: Mapping[str, Any]) -> ModelDescription:
    """The description of a fake file with this content."""
    quantised = content["dtype"] == "int8"
    io = content.get("io", "uint8") if quantised else "float32"
    zero = {"uint8": (0,), "int8": (-128,)}.get(io, ())
    sample = IMAGE if "colours" in content else (2,)
    x = TensorInfo("x", (-1, *sample), "float32")  # numbers above 255 have to pass unharmed
    x = replace(x, looked_up=bool(content.get("looked_up")))
    y, *more = (
        TensorInfo(
            name,
            (1, content.get("classes", CLASSES)),
            io,
            scales=(1 / 255,) if zero else (),
            zero_points=zero,
        )
        for name in content.get("outputs", ["y"])
    )
    if content.get("argmax"):
        y = replace(y, shape=(-1,), dtype="int64", scales=(), zero_points=())
    inside = TensorInfo("inside", (1, 2), "int8" if quantised else "float32")
    origin = Origin(*content["origin"]) if "origin" in content else None
    fallback = [
        OperatorInfo(at + 1, kind, (TensorInfo("f", (1, 2), "float32"),), (y,), origin=origin)
        for at, kind in enumerate(content.get("float_fallback", []))
    ]
    operators = (OperatorInfo(0, "FAKE", (inside,), (inside,)), *fallback)
    if quantised and "holds" in content:
        operators = (_quantize(x, *content["holds"]), *operators)
    whole = quantised and not fallback
    return ModelDescription(
        (x,),
        (y, *more),
        operators,
        parameters=20,
        macs=20,
        fully_quantized=whole,
        state=KeptState(("FAKE",), content["state"]) if "state" in content else None,
        by_range=("FakeDynamicQuantize",) if "by_range" in content else (),
    )


def _quantize(given: TensorInfo, low: float, high: float) -> OperatorInfo:
    """The operator that turns the real values of an input into uint8."""
    scale = (high - low) / 255
    zero = round(-low / scale) if scale else 0
    held = replace(given, name="held", dtype="uint8", scales=(scale,), zero_points=(zero,))
    return OperatorInfo(99, "QUANTIZE", (given,), (held,), border=True)


def read_fake(path: Path) -> dict[str, Any]:
    """The content of a fake file. Raises InferenceError."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InferenceError(f"{path.name} can't be opened: {error}", "make it again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InferenceError(f"{path.name} is not a fake model", "make it with fake_model(path)")
    return content


def write_fake(path: Path, content: Mapping[str, Any], size: int) -> None:
    """Writes a fake file of *size* bytes."""
    path.write_text(_padded(content, size))


def _padded(content: Mapping[str, Any], size: int) -> str:
    """The JSON with a last key as padding, so that a truncated file can't be read."""
    bare = json.dumps({**content, "padding": ""})
    return json.dumps({**content, "padding": "x" * (size - len(bare))})
