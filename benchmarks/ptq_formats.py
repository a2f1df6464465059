"""PTQ to ONNX and to OpenVINO through the gate against the tools alone, on the torch example.

    python benchmarks/ptq_formats.py

Each from a float file to int8 bytes on disk, with the same settings; imports are not in it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "example_project"))

from digits import load_digits

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.ports import SourceModel
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.dataset import Dataset
from pytest_edgegate.planner import float_target
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.leg_data import LegData
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.storage.cache import Cache, key_of

PROJECT = Path(__file__).resolve().parents[1] / "example_project"
ROUNDS = 7
Plain = Callable[[Path, Path, Any], None]


def onnx_alone(source: Path, out: Path, samples: Any) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        left = iter([{"image": each[None]} for each in samples])

        def get_next(self) -> Any:
            return next(self.left, None)

    quant_pre_process(str(source), str(out / "prepared.onnx"), skip_symbolic_shape=True)
    quantize_static(
        str(out / "prepared.onnx"),
        str(out / "int8.onnx"),
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )


def openvino_alone(source: Path, out: Path, samples: Any) -> None:
    import nncf
    import openvino
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    made = nncf.quantize(
        openvino.Core().read_model(str(source)),
        nncf.Dataset([each[None] for each in samples]),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(samples),
        fast_bias_correction=False,
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
        ),
    )
    openvino.save_model(made, str(out / "int8.xml"), compress_to_fp16=False)


def timed(work: Callable[[Path], object]) -> float:
    with tempfile.TemporaryDirectory() as folder, held_native_output():
        start = time.perf_counter()
        work(Path(folder))
        return time.perf_counter() - start


def compare(
    form: str, transform: Any, source: SourceModel, target: Target, data: Dataset, plain: Plain
) -> None:
    samples = data.calibration(200).arrays()[0]
    path = source.path
    assert path is not None

    def ours(out: Path) -> object:
        def work(folder: Path) -> dict[str, object]:
            given = LegData(data)
            return {"main": transform.apply(source, PTQ(), target, given, folder).main.name}

        return Cache(out / "cache").fetch(key_of(round=str(out)), work, lambda entry: entry)

    def theirs(out: Path) -> None:
        plain(path, out, samples)

    timed(theirs)
    timed(ours)
    rounds = [(timed(ours), timed(theirs)) for _ in range(ROUNDS)]
    own, alone = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(row[0] / row[1] for row in rounds)
    more = statistics.median(row[0] - row[1] for row in rounds)
    print(
        f"{form:9} gate {own:.3f} s, alone {alone:.3f} s: ratio {ratio:.3f}, {more * 1e3:+.0f} ms"
    )


def main() -> None:
    digits = load_digits()
    train, evaluate = (x.transpose(0, 3, 1, 2) for x in (digits.x_train, digits.x_evaluate))
    given = EdgeData(calibration=train[:200], evaluation=(evaluate, digits.y_evaluate))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            cache=Path(folder),
            reference_check=False,
            root=Path(folder),
        )
        registry = Registry()
        session = EdgeSession(settings, registry)
        subject = Given(PROJECT / "torch_model" / "digits.pt2", given)
        for form, name, board, plain in (
            ("onnx", "onnx.compress", "onnx-cpu", onnx_alone),
            ("openvino", "openvino.compress", "openvino-cpu", openvino_alone),
        ):
            target = session.target(board)
            made = session.compress(session.case(subject, float_target(target, form)), ())
            source = session.recogniser.model(made.path)
            transform = registry.get("transform", name)
            compare(form, transform, source, target, Dataset(given), plain)


if __name__ == "__main__":
    main()
