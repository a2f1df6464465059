"""The architectures of ``architectures.py``, their pictures, and how their models are saved."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from real_size import torch_network

SAMPLES, CLASSES, BOXED = 32, 1000, 80
Array = np.ndarray


# --- the architectures


class Levels(NamedTuple):
    """How pixels become inputs: (pixels - lift) / scale."""

    lift: float
    scale: float


class Claim(NamedTuple):
    """What a textbook says: millions of parameters, megabytes in float and int8, milliseconds."""

    parameters: str
    float_mb: str
    int8_mb: str
    times: str


@dataclass(frozen=True)
class Architecture:
    """A model under test: how it is built, and what is often said of it."""

    name: str
    framework: str
    size: int
    make: Callable[[], Any]
    levels: Levels
    classifies: bool = True
    weights: str = "random"
    free_size: bool = False
    claimed: Claim | None = None

    @property
    def key(self) -> str:
        return f"{self.name}-{self.framework}"

    @property
    def file(self) -> str:
        return "model.keras" if self.framework == "keras" else "model.pt2"


def keras_application(name: str, **more: Any) -> Callable[[], Any]:
    def make() -> Any:
        import keras

        keras.utils.set_random_seed(0)
        shape = (224, 224, 3)
        build = getattr(keras.applications, name)
        return build(weights=None, input_shape=shape, classifier_activation=None, **more)

    return make


def efficientnet_lite0() -> Any:
    from efficientnet_lite0 import network

    return network()


def efficientnet_lite4() -> Any:
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    torch.manual_seed(0)
    with contextlib.redirect_stdout(io.StringIO()):
        return EfficientNet.from_name("efficientnet-lite4").eval()


CHANNELS = (16, 32, 64, 128, 256)
"""Of the strides 2 to 32 of the detector: the widths of the smallest networks of this kind."""
MOST_BOXES = 100


def torch_detector(
    activation: str, *, decoded: bool = False, resized: bool = False
) -> Callable[[], Any]:
    """A detector like YOLO: boxes (n, 4, h, w) and scores (n, 80, h, w) of strides 8, 16 and 32.

    *decoded*: boxes in pixels, the best 100 of all heads. *resized*: feature maps are resized to
    the size of the next one, in place of by a factor of 2.
    """

    def make() -> Any:
        import torch
        from torch import nn

        torch.manual_seed(0)
        act = {"silu": nn.SiLU, "relu6": nn.ReLU6}[activation]

        def conv(inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Sequential:
            made = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
            return nn.Sequential(made, nn.BatchNorm2d(outside), act())

        class Stage(nn.Module):  # type: ignore[misc]
            """Two ways, one of them through residual convolutions, joined again."""

            def __init__(self, inside: int, outside: int) -> None:
                super().__init__()
                half = outside // 2
                self.one, self.other = conv(inside, half, 1), conv(inside, half, 1)
                self.body = nn.Sequential(conv(half, half, 1), conv(half, half, 3))
                self.join = conv(outside, outside, 1)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                y = self.one(x)
                return self.join(torch.cat([y + self.body(y), self.other(x)], 1))

        class Detector(nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                first, *rest = CHANNELS
                self.stem = conv(3, first, 3, 2)
                self.down = nn.ModuleList()
                for inside, outside in zip(CHANNELS, rest, strict=False):
                    self.down.append(
                        nn.Sequential(conv(inside, outside, 3, 2), Stage(outside, outside))
                    )
                c3, c4, c5 = CHANNELS[2:]
                self.up4, self.up3 = Stage(c5 + c4, c4), Stage(c4 + c3, c3)
                self.boxes = nn.ModuleList(nn.Conv2d(each, 4, 1) for each in (c3, c4, c5))
                self.scores = nn.ModuleList(nn.Conv2d(each, BOXED, 1) for each in (c3, c4, c5))

            def grown(self, x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
                if resized:
                    return nn.functional.interpolate(x, size=like.shape[-2:])
                return nn.functional.interpolate(x, scale_factor=2.0)

            def forward(self, x: torch.Tensor) -> Any:
                features = [self.stem(x)]
                for each in self.down:
                    features.append(each(features[-1]))
                p3, p4, p5 = features[-3:]
                p4 = self.up4(torch.cat([self.grown(p5, p4), p4], 1))
                p3 = self.up3(torch.cat([self.grown(p4, p3), p3], 1))
                levels = (p3, p4, p5)
                boxes = [head(each) for head, each in zip(self.boxes, levels, strict=True)]
                scores = [
                    torch.sigmoid(head(each))
                    for head, each in zip(self.scores, levels, strict=True)
                ]
                return self.decode(boxes, scores) if decoded else (*boxes, *scores)

            def decode(self, boxes: list[torch.Tensor], scores: list[torch.Tensor]) -> Any:
                """Corners in pixels, the best of all places and the class of each."""
                corners = []
                for each, stride in zip(boxes, (8, 16, 32), strict=True):
                    height, width = each.shape[-2:]
                    rows, columns = torch.meshgrid(
                        torch.arange(height), torch.arange(width), indexing="ij"
                    )
                    centre = torch.stack([columns, rows]).float() + 0.5
                    near, far = each[:, :2].exp(), each[:, 2:].exp()
                    made = torch.cat([centre - near, centre + far], 1) * stride
                    corners.append(made.flatten(2))
                places = torch.cat(corners, 2).transpose(1, 2)
                found = torch.cat([each.flatten(2) for each in scores], 2).transpose(1, 2)
                best, kind = found.max(2)
                score, at = best.topk(MOST_BOXES, 1)
                box = places.gather(1, at[..., None].expand(-1, -1, 4))
                return box, score, kind.gather(1, at)

        model = Detector()
        with torch.no_grad():
            for head in model.scores:
                head.weight *= 3  # scores as different as those of a trained network
        return model.eval()

    return make


def keras_detector(
    activation: str, size: int | None, *, decoded: bool = False
) -> Callable[[], Any]:
    """The same network: boxes (n, h, w, 4) and scores (n, h, w, 80); *size* None: any size."""

    def make() -> Any:
        import keras
        from keras import layers, ops

        keras.utils.set_random_seed(0)

        def conv(x: Any, outside: int, kernel: int, stride: int = 1) -> Any:
            x = layers.Conv2D(outside, kernel, stride, "same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            return layers.ReLU(6.0)(x) if activation == "relu6" else layers.Activation("silu")(x)

        def stage(x: Any, outside: int) -> Any:
            half = outside // 2
            one, other = conv(x, half, 1), conv(x, half, 1)
            body = conv(conv(one, half, 1), half, 3)
            return conv(layers.Concatenate()([layers.Add()([one, body]), other]), outside, 1)

        def head(x: Any, outside: int, name: str, how: str | None) -> Any:
            start = keras.initializers.VarianceScaling(3.0 if how else 1.0)
            return layers.Conv2D(outside, 1, kernel_initializer=start, activation=how, name=name)(x)

        image = keras.Input((size, size, 3), name="image")
        features = [conv(image, CHANNELS[0], 3, 2)]
        for outside in CHANNELS[1:]:
            features.append(stage(conv(features[-1], outside, 3, 2), outside))
        p3, p4, p5 = features[-3:]
        grown = layers.UpSampling2D(name="grown_5")(p5)
        p4 = stage(layers.Concatenate()([grown, p4]), CHANNELS[3])
        grown = layers.UpSampling2D(name="grown_4")(p4)
        p3 = stage(layers.Concatenate()([grown, p3]), CHANNELS[2])
        levels = {8: p3, 16: p4, 32: p5}
        boxes = {by: head(each, 4, f"boxes_{by}", None) for by, each in levels.items()}
        scores = {by: head(each, BOXED, f"scores_{by}", "sigmoid") for by, each in levels.items()}
        if not decoded:
            return keras.Model(image, [*boxes.values(), *scores.values()])
        corners = []
        for stride, each in boxes.items():
            height, width = each.shape[1:3]
            rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
            centre = np.stack([columns, rows], -1)[None].astype(np.float32) + 0.5
            near, far = ops.exp(each[..., :2]), ops.exp(each[..., 2:])
            ends = [ops.subtract(centre, near), ops.add(centre, far)]
            made = ops.concatenate(ends, -1) * float(stride)
            corners.append(ops.reshape(made, (-1, height * width, 4)))
        places = ops.concatenate(corners, 1)
        flat = [
            ops.reshape(each, (-1, each.shape[1] * each.shape[2], BOXED))
            for each in scores.values()
        ]
        found = ops.concatenate(flat, 1)
        score, at = ops.top_k(ops.max(found, -1), MOST_BOXES)
        box = ops.take_along_axis(places, at[..., None], 1)
        return keras.Model(image, [box, score])

    return make


def detector(
    name: str, framework: str, size: int, make: Callable[[], Any], *, free: bool = False
) -> Architecture:
    return Architecture(name, framework, size, make, UNIT, classifies=False, free_size=free)


MOBILE, PLAIN, LITE, UNIT = Levels(0, 1), Levels(127, 64), Levels(127, 128), Levels(0, 255)
"""A Keras MobileNet-v3 scales its pixels itself."""
RESNET = Claim("-", "97", "24", "52 on a Coral, 18 on a Jetson Nano")

ARCHITECTURES = (
    Architecture(
        "mobilenet-v3-small",
        *("keras", 224, keras_application("MobileNetV3Small"), MOBILE),
        claimed=Claim("2.5", "-", "2.4", "3.5 on a Coral"),
    ),
    Architecture(
        "efficientnet-lite0",
        *("torch", 224, efficientnet_lite0, LITE),
        weights="ImageNet",
        claimed=Claim("4.7", "-", "4.4", "7.8 on a Coral, 8 on a Jetson Nano"),
    ),
    detector("yolo-silu-320", "torch", 320, torch_detector("silu")),
    detector("yolo-relu6-320", "keras", 320, keras_detector("relu6", 320)),
    detector("yolo-silu-320-decoded", "torch", 320, torch_detector("silu", decoded=True)),
    detector("yolo-silu-320-decoded", "keras", 320, keras_detector("silu", 320, decoded=True)),
    Architecture(
        "mobilenet-v3-small-minimalistic",
        *("keras", 224, keras_application("MobileNetV3Small", minimalistic=True), MOBILE),
    ),
    detector("yolo-relu6-any-size", "torch", 320, torch_detector("relu6", resized=True), free=True),
    detector("yolo-relu6-any-size", "keras", 320, keras_detector("relu6", None), free=True),
    Architecture(
        "mobilenet-v3-large",
        *("keras", 224, keras_application("MobileNetV3Large"), MOBILE),
        claimed=Claim("5.4", "21", "5.2", "6.2 on a Coral, 5 on a Jetson Nano"),
    ),
    detector("yolo-silu-640", "torch", 640, torch_detector("silu")),
    Architecture(
        "resnet-50", *("keras", 224, keras_application("ResNet50"), PLAIN), claimed=RESNET
    ),
    Architecture(
        "resnet-50", *("torch", 224, lambda: torch_network(CLASSES), PLAIN), claimed=RESNET
    ),
    Architecture(
        "efficientnet-lite4",
        *("torch", 300, efficientnet_lite4, LITE),
        claimed=Claim("13", "-", "12.5", "52 on a Coral"),
    ),
    detector("yolo-relu6-640", "keras", 640, keras_detector("relu6", 640)),
    detector("yolo-relu6-320", "torch", 320, torch_detector("relu6")),
    detector("yolo-silu-320", "keras", 320, keras_detector("silu", 320)),
)
"""In the order in which they run: the cheap ones first."""


def known(key: str) -> Architecture:
    return next(each for each in ARCHITECTURES if each.key == key)


# --- pictures and models


def photographs() -> list[Array]:
    """uint8 (height, width, 3): 20 of ImageNet at 512 x 512, and two of 427 x 640."""
    from importlib.util import find_spec

    from PIL import Image
    from sklearn.datasets import load_sample_images

    spec = find_spec("foolbox")
    assert spec is not None, "pip install -c constraints.txt --group benchmarks"
    assert spec.origin is not None
    files = sorted((Path(spec.origin).parent / "data").glob("imagenet_*"))
    images = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    return [*images, *load_sample_images().images]


def crops(size: int, seed: int) -> Array:
    """uint8 (32, size, size, 3): squares of 60 to 100 % of the shorter side."""
    from PIL import Image

    generator, images, made = np.random.default_rng(seed), photographs(), []
    for at in range(SAMPLES):
        image = images[at % len(images)]
        side = int(min(image.shape[:2]) * generator.uniform(0.6, 1.0))
        top, left = (int(generator.integers(0, each - side + 1)) for each in image.shape[:2])
        part = image[top : top + side, left : left + side]
        part = part[:, ::-1] if generator.random() < 0.5 else part
        made.append(np.asarray(Image.fromarray(part).resize((size, size))))
    return np.stack(made)


def inputs(architecture: Architecture, seed: int) -> Array:
    lift, scale = architecture.levels
    x = (crops(architecture.size, seed).astype(np.float32) - lift) / scale
    return x if architecture.framework == "keras" else np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def prepare(architecture: Architecture, folder: Path) -> None:
    """Saves the model, of random weights with the statistics of real activations."""
    folder.mkdir(parents=True, exist_ok=True)
    save = save_keras if architecture.framework == "keras" else save_torch
    save(architecture, architecture.make(), inputs(architecture, 2), folder / architecture.file)


def save_keras(architecture: Architecture, model: Any, x: Array, path: Path) -> None:
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(x, training=True)  # every layer takes the statistics of this batch
    if architecture.classifies:
        head = next(each for each in reversed(model.layers) if each.weights)
        spread = keras.Model(model.input, head.input).predict(x, verbose=0).reshape(len(x), -1)
        kernel, bias = spread_head(spread)
        head.set_weights([kernel.reshape(head.weights[0].shape), bias])
    model.save(path)


def save_torch(architecture: Architecture, model: Any, x: Array, path: Path) -> None:
    import torch

    samples = torch.from_numpy(x)
    if architecture.weights == "random":
        norms = [each for each in model.modules() if isinstance(each, torch.nn.BatchNorm2d)]
        for each in norms:
            each.reset_running_stats()
            each.momentum = None  # the mean of all batches, here one
            each.train()
        heads = [each for each in model.modules() if isinstance(each, torch.nn.Linear)]
        seen: list[Any] = []
        for head in heads:
            head.register_forward_hook(lambda module, given, answer: seen.append(given[0]))
        with torch.no_grad():
            model(samples)
            for each in norms:
                each.eval()
            if architecture.classifies:
                seen.clear()
                model(samples)
                kernel, bias = spread_head(seen[-1].numpy())
                heads[-1].weight.copy_(torch.from_numpy(kernel.T))
                heads[-1].bias.copy_(torch.from_numpy(bias))
        for head in heads:
            head._forward_hooks.clear()
    sizes: dict[int, Any] = {0: torch.export.Dim("batch")}
    if architecture.free_size:
        sizes |= {2: 32 * torch.export.Dim("rows"), 3: 32 * torch.export.Dim("columns")}
    program = torch.export.export(model, (samples[:2],), dynamic_shapes=(sizes,))
    torch.export.save(program, path)


def spread_head(features: Array) -> tuple[Array, Array]:
    """Weights and biases of a last layer whose answers differ between samples."""
    mean = features.mean(axis=0)
    kernel = np.random.default_rng(0).normal(size=(len(mean), CLASSES)) / (features - mean).std()
    kernel = (2 * kernel / np.sqrt(len(mean))).astype(np.float32)
    return kernel, (-mean @ kernel).astype(np.float32)
