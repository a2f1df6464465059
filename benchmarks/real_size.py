"""What a gate costs at real size, against a script of the plain tools that does the same work.

    pip install -c constraints.txt --group benchmarks
    python benchmarks/real_size.py [FOLDER] [--only=resnet50] [--target=coral]

ResNet-50 (Keras and torch) and MobileNet-v3 Small and Large (Keras) at 224 pixels: PTQ with 100
samples for coral and for onnx-cpu, then accuracy, size, SQNR and parity on 100 samples. One side is
``pytest`` from a cold cache on a pseudo-terminal; the other converts with the same converter and
samples, and runs the same inferences: the reference once, the artifact once in every runtime that
the parity budget compares. CPU seconds are those of all processes of a side, the memory is the
largest sum of their proportional set sizes, seen every 50 ms. Weights are random, and the labels
are the answers of the model under test: times do not depend on them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np

SIZE, SAMPLES, CLASSES = 224, 100, 10
TEST = """
import pytest
from pytest_edgegate import PTQ


@pytest.mark.edge_recipe(PTQ({samples}))
@pytest.mark.edge_budget(accuracy_min=0.01, size="200 MB", sqnr_db=1, parity_agreement=0.5)
def test_it(edge_artifact):
    pass
"""
CONFTEST = """
from pathlib import Path
import numpy as np
import pytest
from pytest_edgegate import EdgeData

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def edge_model():
    return HERE / "{model}"


@pytest.fixture(scope="session")
def edge_data():
    stored = np.load(HERE / "data.npz")
    return EdgeData(calibration=stored["calibration"], evaluation=(stored["x"], stored["y"]))


@pytest.fixture(scope="session")
def edge_metric():
    return "top1"
"""
Array = np.ndarray


# --- the models under test


def keras_network(name: str) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    make = {
        "resnet50": keras.applications.ResNet50,
        "mobilenet_v3_small": keras.applications.MobileNetV3Small,
        "mobilenet_v3_large": keras.applications.MobileNetV3Large,
    }[name]
    return make(weights=None, input_shape=(SIZE, SIZE, 3), classes=CLASSES)


def torch_network(classes: int = CLASSES) -> Any:
    """ResNet-50: (n, 3, 224, 224) to logits."""
    import torch
    from torch import nn

    torch.manual_seed(0)

    def conv(inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Sequential:
        made = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
        return nn.Sequential(made, nn.BatchNorm2d(outside))

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, inside: int, width: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                conv(inside, width, 1),
                nn.ReLU(),
                conv(width, width, 3, stride),
                nn.ReLU(),
                conv(width, 4 * width, 1),
            )
            same = inside == 4 * width and stride == 1
            self.short = nn.Identity() if same else conv(inside, 4 * width, 1, stride)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.body(x) + self.short(x))

    layers: list[nn.Module] = [conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inside = 64
    for width, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for at in range(count):
            layers.append(Block(inside, width, stride if at == 0 else 1))
            inside = 4 * width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, classes)]
    return nn.Sequential(*layers).eval()


def pictures(count: int, seed: int) -> Array:
    """Smooth random pictures of many colours and contrasts, float32 (n, 224, 224, 3)."""
    generator = np.random.default_rng(seed)
    coarse = generator.normal(size=(count, 7, 7, 3))
    fine = generator.normal(size=(count, SIZE, SIZE, 3))
    texture = (
        np.kron(coarse, np.ones((1, 32, 32, 1))) + generator.uniform(0, 1, (count, 1, 1, 1)) * fine
    )
    contrast = generator.uniform(0.1, 1.5, (count, 1, 1, 3))
    return (contrast * texture + generator.normal(0, 1.5, (count, 1, 1, 3))).astype(np.float32)


def prepare_keras(name: str, folder: Path) -> None:
    """Saves the network with statistics of real activations, and a head whose answers differ."""
    import keras

    model, x = keras_network(name), pictures(SAMPLES, 1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(x[:32], training=True)  # every layer takes the statistics of this batch
    head = next(each for each in reversed(model.layers) if each.weights)
    spread = keras.Model(model.input, head.input).predict(x, verbose=0).reshape(len(x), -1)
    mean, deviation = spread.mean(axis=0), spread.std(axis=0) + 1e-6
    kernel = np.random.default_rng(0).normal(size=(len(mean), CLASSES)) / deviation[:, None]
    kernel = (2 * kernel / np.sqrt(len(mean))).astype(np.float32)
    head.set_weights([kernel.reshape(head.weights[0].shape), -mean @ kernel])
    model.save(folder / "model.keras")
    y = model.predict(x, verbose=0).argmax(axis=1)
    np.savez(folder / "data.npz", calibration=pictures(SAMPLES, 2), x=x, y=y)


def prepare_torch(name: str, folder: Path) -> None:
    import torch

    model = torch_network()
    x, calibration = (pictures(SAMPLES, seed).transpose(0, 3, 1, 2) for seed in (1, 2))
    x, calibration = np.ascontiguousarray(x), np.ascontiguousarray(calibration)
    with torch.no_grad():
        spread = torch.cat([model[:-1](part) for part in torch.from_numpy(x).split(10)])
        head = model[-1]
        weights = torch.randn(CLASSES, spread.shape[1]) / (spread.std(0) + 1e-6)
        head.weight.copy_(weights / spread.shape[1] ** 0.5)
        head.bias.copy_(-head.weight @ spread.mean(0))
        y = torch.cat([model(part) for part in torch.from_numpy(x).split(10)]).argmax(1).numpy()
    batch = torch.export.Dim("batch")
    example = torch.zeros(2, 3, SIZE, SIZE)
    program = torch.export.export(model, (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "model.pt2")
    np.savez(folder / "data.npz", calibration=calibration, x=x, y=y)


# --- the plain tools


def keras_reference(folder: Path, x: Array) -> tuple[Any, Array]:
    import keras

    model = keras.models.load_model(folder / "model.keras", compile=False)
    return model, np.concatenate([np.asarray(model.predict_on_batch(each)) for each in parts(x)])


def torch_reference(folder: Path, x: Array) -> tuple[Any, Array]:
    import torch

    program = torch.export.load(folder / "model.pt2")
    model = program.module()
    with torch.no_grad():
        answers = [model(torch.from_numpy(each)).numpy() for each in parts(x)]
    return program, np.concatenate(answers)


def parts(x: Array) -> list[Array]:
    return [x[at : at + 10] for at in range(0, len(x), 10)]


def keras_to_coral(model: Any, folder: Path, calibration: Array) -> Path:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    spec = tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32)
    traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(traced)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[None]] for x in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    path = folder / "plain.tflite"
    path.write_bytes(converter.convert())
    return path


def torch_to_coral(program: Any, folder: Path, calibration: Array) -> Path:
    import litert_torch
    from ai_edge_quantizer import quantizer, recipe

    module = litert_torch.to_channel_last_io(program.module(), args=[0])
    example = np.ascontiguousarray(calibration[:1].transpose(0, 2, 3, 1))
    import torch

    float_file = folder / "plain_float.tflite"
    litert_torch.convert(module, (torch.from_numpy(example),)).export(str(float_file))
    work = quantizer.Quantizer(str(float_file), recipe.static_wi8_ai8())
    samples = [{"args_0": x[None]} for x in calibration.transpose(0, 2, 3, 1)]
    ranges = work.calibrate({"serving_default": samples})
    path = folder / "plain.tflite"
    path.write_bytes(bytes(work.quantize(ranges).quantized_model))
    return path


def keras_to_onnx(model: Any, folder: Path, calibration: Array) -> Path:
    import tensorflow as tf
    import tf2onnx

    spec = (tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32, name="image"),)
    float_file = folder / "plain_float.onnx"
    traced = tf.function(lambda image: model(image, training=False), input_signature=spec)
    tf2onnx.convert.from_function(traced, spec, opset=17, output_path=str(float_file))
    return quantised_onnx(float_file, folder, calibration)


def torch_to_onnx(program: Any, folder: Path, calibration: Array) -> Path:
    import torch

    float_file = folder / "plain_float.onnx"
    torch.onnx.export(program, dynamo=True, verbose=False).save(str(float_file))
    return quantised_onnx(float_file, folder, calibration)


def quantised_onnx(float_file: Path, folder: Path, calibration: Array) -> Path:
    import onnxruntime
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared, path = folder / "plain_prepared.onnx", folder / "plain.onnx"
    quant_pre_process(str(float_file), str(prepared), skip_symbolic_shape=True)
    name = onnxruntime.InferenceSession(str(prepared)).get_inputs()[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        left = iter([{name: each[None]} for each in calibration])

        def get_next(self) -> Any:
            return next(self.left, None)

    quantize_static(
        str(prepared),
        str(path),
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )
    return path


def litert_answers(path: Path, x: Array) -> Iterator[Array]:
    """Of both runtimes that a parity budget compares: XNNPACK and the reference kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_REF
    for resolver in (OpResolverType.AUTO, plain):
        runner = Interpreter(str(path), experimental_op_resolver_type=resolver, num_threads=1)
        given, answer = runner.get_input_details()[0], runner.get_output_details()[0]
        if tuple(given["shape"][1:]) != x.shape[1:]:
            x = x.transpose(0, 2, 3, 1)
        runner.allocate_tensors()
        answers = []
        for each in x:
            runner.set_tensor(given["index"], quantised(each[None], given))
            runner.invoke()
            answers.append(runner.get_tensor(answer["index"])[0])
        yield real(np.stack(answers), answer)


def quantised(x: Array, tensor: Any) -> Array:
    scale, zero = tensor["quantization"]
    if not scale:
        return x
    bounds = np.iinfo(tensor["dtype"])
    steps = np.clip(np.round(x / scale) + zero, bounds.min, bounds.max)
    return np.asarray(steps, dtype=tensor["dtype"])


def real(x: Array, tensor: Any) -> Array:
    scale, zero = tensor["quantization"]
    return np.asarray((x.astype(np.float32) - zero) * scale if scale else x)


def onnx_answers(path: Path, x: Array) -> Iterator[Array]:
    """Of both runtimes that a parity budget on onnx-cpu compares: with and without fusions."""
    import onnxruntime

    level = onnxruntime.GraphOptimizationLevel
    for optimised in (level.ORT_ENABLE_ALL, level.ORT_DISABLE_ALL):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = optimised
        options.intra_op_num_threads = 1
        runner = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        name = runner.get_inputs()[0].name
        yield np.concatenate([runner.run(None, {name: each})[0] for each in parts(x)])


# --- both sides, measured


@dataclass(frozen=True)
class Model:
    """A model under test: how it is made, and the plain tools for it."""

    file: str
    prepare: Callable[[str, Path], None]
    reference: Callable[[Path, Array], tuple[Any, Array]]
    converters: dict[str, Callable[[Any, Path, Array], Path]]


KERAS = Model(
    "model.keras",
    prepare_keras,
    keras_reference,
    {"coral": keras_to_coral, "onnx-cpu": keras_to_onnx},
)
TORCH = Model(
    "model.pt2",
    prepare_torch,
    torch_reference,
    {"coral": torch_to_coral, "onnx-cpu": torch_to_onnx},
)
MODELS = {
    "mobilenet_v3_small": KERAS,
    "mobilenet_v3_large": KERAS,
    "resnet50": KERAS,
    "resnet50-torch": TORCH,
}
ANSWERS = {"coral": litert_answers, "onnx-cpu": onnx_answers}


def plain(name: str, target: str, folder: Path) -> None:
    """The work of the gate by hand: accuracy, size, SQNR and agreement."""
    model, stored = MODELS[name], np.load(folder / "data.npz")
    x, y = stored["x"], stored["y"]
    source, wanted = model.reference(folder, x)
    path = model.converters[target](source, folder, stored["calibration"])
    one, other = ANSWERS[target](path, x)
    drop = (wanted.argmax(1) == y).mean() - (one.argmax(1) == y).mean()
    noise = 10 * np.log10((wanted**2).sum() / max(((wanted - one) ** 2).sum(), 1e-30))
    same = (one.argmax(1) == other.argmax(1)).mean()
    print(
        f"drop {drop:.3f}, {path.stat().st_size} bytes, SQNR {noise:.1f} dB, agreement {same:.3f}"
    )


@dataclass
class Cost:
    """What one side took."""

    cpu: float
    wall: float
    peak: float
    """MB."""
    first: float
    """Seconds until something was shown."""
    gap: float
    """The longest time without a change afterwards, in seconds."""
    text: str
    status: int


def tree(root: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += children.get(found[-1], [])
    return found


def held(pid: int) -> int:
    """The proportional set size in kB; 0 for a process that has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def measured(command: Sequence[str], folder: Path) -> Cost:
    """Runs a command on a pseudo-terminal of 100 columns."""
    ours, theirs = pty.openpty()
    start, shown, text, ended = time.perf_counter(), [], b"", Event()
    environment = os.environ | {"COLUMNS": "100", "TERM": "xterm"}
    process = subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    peaks = [0]

    def watch() -> None:
        while not ended.wait(0.05):
            peaks.append(sum(held(each) for each in tree(process.pid)))

    watcher = Thread(target=watch)
    watcher.start()
    while True:
        select.select([ours], [], [])
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end was closed
            break
        if not piece:
            break
        shown.append(time.perf_counter() - start)
        text += piece
    _, status, usage = os.wait4(process.pid, 0)
    ended.set()
    watcher.join()
    os.close(ours)
    wall = time.perf_counter() - start
    moments = [*shown, wall]
    gap = max((b - a for a, b in itertools.pairwise(moments)), default=0.0)
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(
        cpu,
        wall,
        max(peaks) / 1000,
        moments[0],
        gap,
        text.decode(errors="replace"),
        os.waitstatus_to_exitcode(status),
    )


def project(name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "data.npz").exists():
        return
    (folder / "conftest.py").write_text(CONFTEST.format(model=MODELS[name].file))
    (folder / "test_it.py").write_text(TEST.format(samples=SAMPLES))
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, __file__, str(folder), "--prepare", name]
    subprocess.run(command, check=True)


def compare(name: str, target: str, folder: Path) -> None:
    gate = measured(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
            *(f"--edge-target={target}", f"--edge-cache={tempfile.mkdtemp(dir=folder)}"),
            "--edge-report-json=report.json",
        ],
        folder,
    )
    hand = measured(
        [sys.executable, __file__, str(folder), "--plain", name, "--target", target], folder
    )
    # A red verdict is the gate's answer; a script that ends with 1 has not done the work
    for side, cost, done in (("gate", gate, (0, 1)), ("plain", hand, (0,))):
        log = folder / f"{target}-{side}.txt"
        log.write_text(cost.text)
        if cost.status not in done:
            sys.exit(f"{name} {target} {side}: exit status {cost.status}, see {log}")
    print(
        f"| {name} | {target} | {gate.cpu:.1f} | {hand.cpu:.1f} | {gate.cpu / hand.cpu:.2f} "
        f"| {gate.wall:.1f} | {hand.wall:.1f} | {gate.peak:.0f} | {hand.peak:.0f} "
        f"| {gate.peak / hand.peak:.2f} | {gate.first:.1f} | {gate.gap:.1f} |",
        flush=True,
    )


HEADER = (
    "| model | target | CPU s, gate | plain | ratio | s, gate | plain | peak MB, gate | plain "
    "| ratio | first sign, s | longest silence, s |\n|" + "---|" * 12
)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--only", choices=MODELS)
    parser.add_argument("--target", choices=ANSWERS)
    parser.add_argument("--plain", choices=MODELS, help=argparse.SUPPRESS)
    parser.add_argument("--prepare", choices=MODELS, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.plain:
        plain(given.plain, given.target, given.folder)
        return
    if given.prepare:
        MODELS[given.prepare].prepare(given.prepare.partition("-")[0], given.folder)
        return
    folder = given.folder or Path(tempfile.mkdtemp())
    print(HEADER, flush=True)
    for name in [given.only] if given.only else MODELS:
        project(name, folder / name)
        for target in [given.target] if given.target else ANSWERS:
            compare(name, target, folder / name)


if __name__ == "__main__":
    main(sys.argv[1:])
