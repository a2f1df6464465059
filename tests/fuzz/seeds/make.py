"""Makes the seeds that the fuzzer mutates: ``python tests/fuzz/seeds/make.py``.

They are kept in the repository, since a framework writes other bytes at every save, and an input of
the fuzzer is known by the number of its draw over these very bytes. All models take samples of
6 by 6 by 2 and give three scores.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.core.target import Target
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

HERE = Path(__file__).parent
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(24, 6, 6, 2)).astype(np.float32)
LABELS = np.arange(24) % 3


def main() -> None:
    import keras
    import tensorflow as tf
    import tf_keras

    keras.utils.set_random_seed(0)
    make_keras(keras)
    make_h5(keras, tf_keras)
    make_savedmodel(keras, tf)
    make_torch()
    make_onnx()
    make_npz()
    with tempfile.TemporaryDirectory() as scratch:
        make_finished(Path(scratch))


def fresh(form: str) -> Path:
    """An empty folder for the seeds of a format."""
    shutil.rmtree(HERE / form, ignore_errors=True)
    (HERE / form).mkdir()
    return HERE / form


def functional(keras: Any) -> Any:
    image = keras.Input((6, 6, 2), name="image")
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    y = keras.layers.Flatten(name="flat")(x)
    z = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Concatenate(name="both")([y, z])
    return keras.Model(image, keras.layers.Dense(3, "softmax", name="scores")(x), name="small")


def recurrent(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 2), name="image"),
            layers.Reshape((6, 12)),
            layers.Bidirectional(layers.LSTM(2, unroll=True)),
            layers.Dropout(0.1),
            layers.Dense(3, "softmax"),
        ],
        name="recurrent",
    )


def looked_up(keras: Any) -> Any:
    """With a vocabulary, which Keras would also read from a file."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 2), name="image"),
            layers.Discretization(bin_boundaries=[-1.0, 0.0, 1.0]),
            layers.IntegerLookup(vocabulary=[1, 2, 3], mask_token=None),
            layers.Flatten(),
            layers.Embedding(4, 3),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, "softmax"),
        ],
        name="looked_up",
    )


def make_keras(keras: Any) -> None:
    folder = fresh("keras")
    looked_up(keras).save(folder / "looked_up.keras")
    functional(keras).save(folder / "small.keras")
    recurrent(keras).save(folder / "recurrent.keras")


def make_h5(keras: Any, tf_keras: Any) -> None:
    folder = fresh("h5")
    functional(keras).save(folder / "small.h5")
    functional(tf_keras).save(folder / "old.h5")
    image = tf_keras.Input((6, 6, 2), name="image")
    scaled = image / 255.0  # TFOpLambda
    flat = tf_keras.layers.Flatten()(scaled)
    scores = tf_keras.layers.Dense(3, "softmax")(flat)
    tf_keras.Model(image, scores, name="scaled").save(folder / "operators.h5")


def make_savedmodel(keras: Any, tf: Any) -> None:
    folder = fresh("savedmodel")
    keras.Sequential(
        [keras.Input((6, 6, 2), name="image"), keras.layers.Flatten(), keras.layers.Dense(3)]
    ).export(folder / "exported", verbose=False)

    class Looping(tf.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable(RNG.normal(size=(72, 3)).astype(np.float32))

        @tf.function(input_signature=[tf.TensorSpec((None, 6, 6, 2), tf.float32, "image")])
        def __call__(self, image: Any) -> Any:
            x = tf.reshape(image, (-1, 72)) @ self.weight
            for _ in tf.range(3):
                x = x * 0.5
            return {"scores": x if tf.reduce_sum(self.weight) > 0 else -x}

    tf.saved_model.save(Looping(), folder / "looping")


def make_torch() -> None:
    import torch

    folder = fresh("pt2")

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(2, 3, 3)
            self.register_buffer("scale", torch.full((3,), 1.5))
            self.head = torch.nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            features = self.conv(x).relu().mean((2, 3)) * self.scale
            return self.head(features).reshape(x.shape[0] * 3).reshape(x.shape[0], 3)

    torch.manual_seed(0)
    batch = torch.export.Dim("batch")
    program = torch.export.export(
        Small().eval(), (torch.randn(2, 2, 6, 6),), dynamic_shapes=({0: batch},)
    )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of the machine that makes it
    torch.export.save(program, folder / "small.pt2")


def make_onnx() -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder = fresh("onnx")

    def weight(*shape: int) -> Any:
        return (RNG.normal(size=shape) / 3).astype(np.float32)

    def save(name: str, nodes: list[Any], weights: dict[str, Any], **more: Any) -> Any:
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            name,
            [info("x", TensorProto.FLOAT, ["batch", 2, 6, 6])],
            [info("y", TensorProto.FLOAT, ["batch", 3])],
            [numpy_helper.from_array(values, each) for each, values in weights.items()],
        )
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10, **more)
        onnx.checker.check_model(model)
        return model

    node = helper.make_node
    small = save(
        "small",
        [
            node("Conv", ["x", "w1", "b1"], ["c1"], name="first", pads=[1, 1, 1, 1]),
            node("Relu", ["c1"], ["r1"]),
            node("Conv", ["r1", "w2"], ["c2"], name="depthwise", group=4),
            node("GlobalAveragePool", ["c2"], ["g"]),
            node("Flatten", ["g"], ["f"]),
            node("Gemm", ["f", "w3", "b3"], ["y"], name="dense", transB=1),
        ],
        {
            "w1": weight(4, 2, 3, 3),
            "b1": weight(4),
            "w2": weight(4, 1, 3, 3),
            "w3": weight(3, 4),
            "b3": weight(3),
        },
    )
    onnx.save(small, folder / "small.onnx")
    (folder / "external").mkdir()
    onnx.save(
        small,
        folder / "external" / "external.onnx",
        save_as_external_data=True,
        location="external.data",
        size_threshold=0,
    )
    branches = [
        helper.make_graph(
            [node(kind, ["f"], [f"{kind}_out"])],
            kind,
            [],
            [helper.make_tensor_value_info(f"{kind}_out", TensorProto.FLOAT, ["batch", 72])],
        )
        for kind in ("Relu", "Neg")
    ]
    function = helper.make_function(
        "own",
        "Dense",
        ["a", "w"],
        ["b"],
        [node("MatMul", ["a", "w"], ["m"]), node("Softmax", ["m"], ["b"])],
        [helper.make_opsetid("", 18)],
    )
    onnx.save(
        save(
            "branches",
            [
                node("Flatten", ["x"], ["f"]),
                node("If", ["condition"], ["i"], then_branch=branches[0], else_branch=branches[1]),
                node("Dense", ["i", "w"], ["y"], domain="own"),
            ],
            {"condition": np.array(True), "w": weight(72, 3)},
            functions=[function],
        ),
        folder / "branches.onnx",
    )


def make_npz() -> None:
    folder = fresh("npz")
    np.savez(folder / "plain.npz", x=IMAGES[:8], y=LABELS[:8], x_calibration=IMAGES[8:10])
    np.savez_compressed(folder / "packed.npz", x=IMAGES[:8], y=LABELS[:8], groups=np.arange(8) // 2)


def make_finished(scratch: Path) -> None:
    """What the gate itself makes of the seeds above."""
    settings = Settings(cache=scratch / "cache", reference_check=False, root=scratch)
    session = EdgeSession(settings, Registry())
    last = EdgeData(calibration=IMAGES, evaluation=(IMAGES, LABELS))
    turned = IMAGES.transpose(0, 3, 1, 2).copy()
    first = EdgeData(calibration=turned, evaluation=(turned, LABELS))
    keras_file, onnx_file = HERE / "keras" / "small.keras", HERE / "onnx" / "small.onnx"
    jobs: tuple[tuple[str, Path, EdgeData, str, Any], ...] = (
        ("tflite", keras_file, last, "coral", (PTQ(),)),
        ("tflite", keras_file, last, "host", ()),
        ("onnx", onnx_file, first, "onnx-cpu", (PTQ(),)),
        ("openvino", onnx_file, first, "openvino-cpu", (PTQ(),)),
        ("openvino", onnx_file, first, "openvino-cpu", ()),
    )
    for form in ("tflite", "openvino"):
        fresh(form)
    for form, path, data, name, recipe in jobs:
        target: Target = session.target(name)
        subject = Given(path, data)
        case = session.case(subject, target)
        made = (
            session.compress(case, recipe)
            if recipe
            else session.float_export(case, {"tflite": "litert"}.get(form, form))
        )
        title = "int8" if recipe else "float"
        folder = HERE / form / title if len(made.files) > 1 else HERE / form
        folder.mkdir(exist_ok=True)
        for each in made.files:
            shutil.copy(each, folder / f"{title}{each.suffix}")
    session.close()


if __name__ == "__main__":
    main()
