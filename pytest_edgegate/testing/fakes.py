"""A fake backend with its own format, for tests of the pytest integration without frameworks.

A fake model is a JSON file that defines its answers. A sample is ``(number, label)``, float32 of
shape (n, 2); the model answers the label, except for the numbers that the file lists as wrong, so
that a test can define any outcome. Put this into a conftest.py::

    pytest_plugins = ["pytest_edgegate.testing.fakes"]

and gate for ``--edge-target=fake-board`` (int8, uint8 in and out), ``fake-chip`` (the same, with
the tool of ``testing.fake_tool``) or ``fake-host`` (any dtype).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import numpy as np

from pytest_edgegate.core.data import EdgeData
from pytest_edgegate.core.description import (
    ExecutedOperator,
    ModelDescription,
)
from pytest_edgegate.core.errors import InferenceError, UnsupportedError
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import (
    LoadedModel,
    Produced,
    Runner,
    SourceModel,
    Surroundings,
    TransformData,
)
from pytest_edgegate.core.recipe import PTQ, Step
from pytest_edgegate.core.target import LatencySource, Target
from pytest_edgegate.data.splits import Array
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.fake_files import (
    CLASSES,
    FORMAT,
    IMAGE,
    describe,
    read_fake,
    write_fake,
)
from pytest_edgegate.testing.fake_files import fake_model as fake_model  # noqa: PLC0414 - public
from pytest_edgegate.workers.device import HostDevice


def fake_samples(count: int, start: int = 0) -> tuple[Array, Array]:
    """``(x, y)``: x float32 (count, 2) with number and label, y int64 (count,)."""
    numbers = np.arange(start, start + count)
    labels = numbers % CLASSES
    return np.stack([numbers, labels], axis=1).astype(np.float32), labels


def fake_images(count: int, start: int = 0) -> tuple[Array, Array]:
    """The same samples as images from 0 to 1: x float32 (count, 4, 4, 3).

    Red is the label, green the number, up to 1,000; blue is that of label 3.
    """
    x, labels = fake_samples(count, start)
    colours = np.stack([x[:, 1] / CLASSES, x[:, 0] / _NUMBERS, np.full(count, 0.3)], axis=1)
    images = np.broadcast_to(colours[:, None, None], (count, *IMAGE))
    return np.ascontiguousarray(images, np.float32), labels


def fake_data(count: int = 200) -> EdgeData:
    """Evaluation samples 0 to count, twenty others for calibration, and a hundred for training."""
    return EdgeData(
        train=fake_samples(100, start=20_000),
        calibration=fake_samples(20, start=10_000)[0],
        evaluation=fake_samples(count),
    )


@dataclass(frozen=True)
class FakeModel:
    """``SourceModel`` of a fake file."""

    path: Path
    content: Mapping[str, Any]
    runtime: str = "fake"
    note: str = ""

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    @property
    def node(self) -> tuple[str, str]:
        return (FORMAT, str(self.content["dtype"]))

    def digest(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def load(self) -> LoadedModel:
        raise UnsupportedError("a fake model has no framework", "run it in the runtime 'fake'")


class FakeClock:
    """Time that passes only while a fake model runs."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


CLOCK = FakeClock()
"""The clock of fake models, by which the fake targets are timed."""


class FakeReader:
    """Recognises a fake file by its content."""

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        if not isinstance(candidate, Path) or not candidate.is_file():
            return None
        if not candidate.read_bytes()[:40].startswith(b'{"format": "' + FORMAT.encode()):
            return None
        return FakeModel(candidate, read_fake(candidate))


class FakeTransform:
    """PTQ and float export, by rewriting the JSON; ``built`` counts its files."""

    version = 1
    packages = ("numpy",)
    programs = ()
    moves = (
        Move((FORMAT, "float32"), PTQ, (FORMAT, "int8")),
        Move((FORMAT, "float32"), None, (FORMAT, "float32")),
    )

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        if isinstance(step, PTQ) and step.method != "minmax":
            return f"the fake calibrates by minmax only, not by {step.method!r}", "write PTQ()"
        return None

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"io": target.default_io}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        assert model.path is not None  # fakes are files
        content = dict(read_fake(model.path))
        if isinstance(step, PTQ):
            list(data.calibration(step.samples, describe(content).inputs))
            content |= {
                "dtype": "int8",
                "wrong": content.get("ptq_wrong", []),
                "io": content.get("io", target.default_io),
                "seconds": content.get("ptq_seconds", content.get("seconds", 1e-3)),
            }
            faults = [each for each in _DISTURBING if {each, f"ptq_{each}"} & content.keys()]
            content |= {name: content.get(f"ptq_{name}", 0.0) for name in faults}
        main = out / model.path.name
        write_fake(main, content, content.get("bytes", 4000) // _shrink(step))
        told = {"note": content["note"]} if isinstance(step, PTQ) and "note" in content else {}
        return Produced(main, (main,), facts=told)


class FakeRuntime:
    """Answers as the file defines; ``key`` names the list of wrong answers that it uses."""

    formats = (FORMAT,)
    packages = ("numpy",)
    opens_files = True

    def __init__(self, key: str) -> None:
        self._key = key
        self.options = {"heeds": key}

    def open(self, model: Path | SourceModel) -> Runner:
        path = model if isinstance(model, Path) else model.path
        assert path is not None  # fakes are files
        return FakeRunner(read_fake(path), self._key)

    def executed(
        self, model: Path, batch: tuple[Array, ...]
    ) -> tuple[ExecutedOperator, ...] | None:
        return None


class FakeRunner:
    """An opened fake model."""

    def __init__(self, content: Mapping[str, Any], key: str) -> None:
        self._wrong = np.array([*content.get("wrong", []), *(content.get(key, []) if key else [])])
        self._nan = np.array(content.get("nan", []) if content["dtype"] == "int8" else [])
        self._content = content
        self._calls = 0
        described = describe(content)
        self.inputs, self.outputs = described.inputs, described.outputs
        if self._nan.size:  # integers have none
            self.outputs = tuple(
                replace(each, dtype="float32", scales=(), zero_points=()) for each in self.outputs
            )

    def __enter__(self) -> FakeRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        (x,) = batch
        if self._content.get("alone") and len(x) > 1:
            raise InferenceError("a Reshape of 1 sample got several", "give one at a time")
        numbers, labels = _read_from(x, self._content.get("colours"))
        classes = self._content.get("classes", CLASSES)
        if self._content.get("constant"):
            labels = np.zeros_like(labels)
        answers = (labels + np.isin(numbers, self._wrong)) % classes
        scores = np.eye(classes, dtype=np.float32)[answers]
        scores[:, :1] += self._disturbance(numbers)
        scores[np.isin(numbers, self._nan)] = np.nan
        if self._content.get("argmax"):
            return (scores.argmax(axis=1),)
        return tuple(np.roll(scores, at, axis=1) for at in range(len(self.outputs)))

    def _disturbance(self, numbers: Array) -> Array:
        """What the batch and chance add to the scores of the first class: float32 of (n, 1)."""
        content = self._content
        added = np.full((len(numbers), 1), content.get("leaks", 0.0) * numbers.mean() / 100)
        if len(numbers) > _CROWD:
            added += content.get("crowded", 0.0) * numbers.mean() / 100
            added[_CROWD:] += content.get("far", 0.0)
        added += content.get("drifts", 0.0) * self._calls
        self._calls += 1
        added += content.get("by_range", 0.0) * numbers.max() / 100
        added += content.get("together", 0.0) * (len(numbers) > 1)
        if content.get("random"):
            added += content["random"] * _noise.random((len(numbers), 1))
        return added.astype(np.float32)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        """A call that advances the fake clock as the file defines, and computes nothing."""
        return fake_call(self._content, CLOCK)

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        scores = self.infer(batch)
        if self.outputs[0].dtype not in ("int8", "uint8"):
            return scores
        zero, dtype = self.outputs[0].zero_points[0], self.outputs[0].dtype
        limits = np.iinfo(dtype)
        steps = (np.clip(each * 255 + zero, limits.min, limits.max) for each in scores)
        return tuple(each.astype(dtype) for each in steps)


def _read_from(x: Array, colours: str | None) -> tuple[Array, Array]:
    """Numbers and labels of samples; of images in the order of *colours*."""
    if colours is None:
        return x[:, 0].astype(int), x[:, 1].astype(int)
    label, number = (x[:, 0, 0, 0 if colours == "rgb" else 2], x[:, 0, 0, 1])
    return np.rint(number * _NUMBERS).astype(int), np.rint(label * CLASSES).astype(int)


_DISTURBING = ("leaks", "random", "crowded", "far", "drifts")
_CROWD = 32
_NUMBERS = 1_000
"""The number that the brightest green stands for."""
_DRAWN = 256
_draws = np.random.default_rng(1)
_noise = np.random.default_rng(2)


def fake_call(content: Mapping[str, Any], clock: FakeClock) -> Callable[[], object]:
    """An inference on a fake clock by *content*; its ``shift`` is drawn once per call of this."""
    drift = content.get("drift", 0.0) / 20
    seconds = content.get("seconds", 1e-3) * np.exp(_draws.normal(0, content.get("shift", 0.0)))

    def times() -> Iterator[float]:
        cold = content.get("warm_up", 0)
        while True:
            drawn = seconds * np.exp(_draws.normal(0, content.get("noise", 0.0), _DRAWN))
            drawn[_draws.random(_DRAWN) < content.get("outliers", 0.0)] *= 5
            drawn[:cold] *= 10
            cold = max(cold - _DRAWN, 0)
            yield from drawn.tolist()

    following = times().__next__

    def call() -> None:
        clock.seconds += following() * (1 + drift * clock.seconds)

    return call


class FakeInspector:
    """Describes a fake file: one operator, and those of its float fallback."""

    formats = (FORMAT,)

    def describe(self, path: Path) -> ModelDescription:
        return describe(read_fake(path))


def _shrink(step: Step | None) -> int:
    return 4 if isinstance(step, PTQ) else 1


def _target(name: str, **what: Any) -> Target:
    return Target(
        name=name,
        formats=(FORMAT,),
        runtimes=MappingProxyType({FORMAT: ("fake", "fake-other")}),
        origin="pytest_edgegate.testing.fakes",
        **what,
    )


FAKE_BOARD = _target(
    "fake-board",
    title="a board that nobody has",
    machine="fake-accelerator",
    dtypes=("int8",),
    io_dtypes=("uint8", "float32"),
    default_io="uint8",
    complete_with_ptq=True,
    static_shape=False,
    per_channel_dense=False,
)
FAKE_HOST = _target(
    "fake-host",
    title="this machine, for fakes",
    machine="any",
    dtypes=("float32", "int8"),
    latency_source=LatencySource("fake-host"),
    io_dtypes=(),
    default_io="uint8",
    complete_with_ptq=False,
    static_shape=False,
    per_channel_dense=True,
)
FAKE_CHIP = replace(
    FAKE_BOARD,
    name="fake-chip",
    title="a chip that a tool knows",
    tools=MappingProxyType({"memory": "fake-tool", "latency_p95": "fake-tool"}),
)


def pytest_edgegate_register(registry: Registry) -> None:
    """Registers the fakes with the run that loads this module as a plugin."""
    registry.add("model reader", "fake", FakeReader())
    from pytest_edgegate.testing.fake_tool import FakeTool
    from pytest_edgegate.testing.fake_training import FakeTraining

    registry.add("transform", "fake", FakeTransform())
    registry.add("transform", "fake-training", FakeTraining())
    registry.add("runtime", "fake", FakeRuntime(""))
    registry.add("runtime", "fake-other", FakeRuntime("other_wrong"))
    registry.add("inspector", "fake", FakeInspector())
    registry.add("device", "fake-host", HostDevice(CLOCK))
    registry.add("target", FAKE_BOARD.name, FAKE_BOARD)
    registry.add("tool", "fake-tool", FakeTool())
    registry.add("target", FAKE_HOST.name, FAKE_HOST)
    registry.add("target", FAKE_CHIP.name, FAKE_CHIP)
