"""An epoch of quantisation-aware training against one in float, on the example's two models.

    python benchmarks/training.py [rounds]

Both go over the same batches of 4,000 digits through the gate's own loop; what comes before and
after the training is not in it. Keras trains in float by the gate and by ``model.fit``, too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "example_project"))

from digits import load_digits

from pytest_edgegate import QAT, EdgeData
from pytest_edgegate.core.ports import SourceModel
from pytest_edgegate.core.target import Target
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings

PROJECT = Path(__file__).resolve().parents[1] / "example_project"
STEP = QAT(epochs=3, lr=1e-5)
Train = Callable[[CaseData], object]


class Watch:
    """Seconds from the end of an epoch to that of the next, told by the progress."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def __call__(self, what: str, done: float, total: float | None) -> None:
        if total is not None and "steps of QAT" in what and done % (total / STEP.epochs) == 0:
            self.ends.append(time.perf_counter())

    @property
    def epoch(self) -> float:
        """The first one is left out: it traces."""
        return statistics.median(
            later - earlier for earlier, later in zip(self.ends, self.ends[1:], strict=False)
        )


def epoch_of(data: EdgeData, train: Train) -> float:
    watch = Watch()
    train(CaseData(data, progress=watch))
    return watch.epoch


def torch_trains(model: SourceModel, target: Target) -> dict[str, Train]:
    from pytest_edgegate.backends.torch.trainable import trainable_of
    from pytest_edgegate.backends.torch.training import fit

    loaded = model.load()

    def in_float(data: CaseData) -> object:
        module = trainable_of(model.name, loaded)
        return fit(module, data.training(loaded.inputs), STEP, model.name)

    return {"float": in_float, "QAT": quantised("torch.qat", model, target)}


def keras_trains(model: SourceModel, target: Target) -> dict[str, Train]:
    from pytest_edgegate.backends.keras.training import fit

    loaded = model.load()

    def in_float(data: CaseData) -> object:
        assert loaded.trainable is not None
        return fit(loaded.trainable(), data.training(loaded.inputs), STEP, model.name)

    return {"float": in_float, "QAT": quantised("litert.qat_from_keras", model, target)}


def quantised(name: str, model: SourceModel, target: Target) -> Train:
    transform = Registry().get("transform", name)

    def train(data: CaseData) -> object:
        with tempfile.TemporaryDirectory() as folder:
            return transform.apply(model, STEP, target, data, Path(folder))

    return train


def compare(name: str, data: EdgeData, trains: dict[str, Train], rounds: int) -> None:
    found = [{way: epoch_of(data, train) for way, train in trains.items()} for _ in range(rounds)]
    seconds = {way: statistics.median(row[way] for row in found) for way in trains}
    ratio = statistics.median(row["QAT"] / row["float"] for row in found)
    shown = ", ".join(f"{way} {each:.2f} s" for way, each in seconds.items())
    print(f"{name}: an epoch takes {shown}; QAT over float {ratio:.2f}", flush=True)


def model_fit(model: SourceModel, x: Any, y: Any) -> float:
    """Seconds of an epoch of Keras's own loop, tracing left out."""
    import keras

    trained = model.load().trainable()  # type: ignore[misc]
    trained.compile(keras.optimizers.Adam(STEP.lr), "sparse_categorical_crossentropy")
    trained.fit(x, y, batch_size=64, epochs=1, verbose=0)
    start = time.perf_counter()
    trained.fit(x, y, batch_size=64, epochs=2, verbose=0)
    return (time.perf_counter() - start) / 2


def main(arguments: Sequence[str]) -> None:
    rounds = int(arguments[0]) if arguments else 3
    registry, digits = Registry(), load_digits()
    for name, file, channels, trains in (
        ("torch", "torch_model/digits.pt2", (0, 3, 1, 2), torch_trains),
        ("keras", "models/digits.keras", (0, 1, 2, 3), keras_trains),
    ):
        train, evaluate = (x.transpose(channels) for x in (digits.x_train, digits.x_evaluate))
        data = EdgeData(
            train=(train, digits.y_train),
            calibration=train[:200],
            evaluation=(evaluate, digits.y_evaluate),
        )
        reader = registry.get("model reader", name)
        model = reader.recognise(PROJECT / file, surroundings(data))
        target = registry.get("target", "coral" if name == "keras" else "onnx-cpu")
        compare(name, data, trains(model, target), rounds)
        if name == "keras":
            own = epoch_of(data, trains(model, target)["float"])
            ratio = own / model_fit(model, train, digits.y_train)
            print(f"keras in float: the gate's epoch over that of model.fit {ratio:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
