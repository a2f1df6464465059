"""The ways that a file goes through the gate: the session's own, from recognising to a verdict."""

from __future__ import annotations

import io
import shutil
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing import alarm
from fuzzing.draft import Seed
from fuzzing.formats import SEEDS
from fuzzing.outcomes import Kind
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.data import EdgeData
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.data.npz import read_npz
from pytest_edgegate.measures.metrics import Metric
from pytest_edgegate.planner import make_plan
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.reference import Reference
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.boards import find_target, known_targets
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.storage.cache import Cache

SAMPLES = 2
_BUDGETS = (Budget("accuracy_min", 0.9),)
_HEALTHY = "int8.tflite"
_TARGETS = {"tflite": "host", "onnx": "host", "openvino": "openvino-cpu"}
_DATA = np.random.default_rng(0).normal(size=(SAMPLES, 6, 6, 2)).astype(np.float32)
_LABELS = np.arange(SAMPLES)
_REGISTRY = Registry()


class Enough(BaseException):
    """A file has got as far as the framework, and no more are to be loaded by it. No
    ``except Exception`` takes it for a fault of the file."""


class DishonestError(Exception):
    """A verdict that can't be right."""


class Most:
    """How many inputs may go on to be opened by a runtime or a framework, which takes the longest;
    None for all. Those after them end where it would begin."""

    def __init__(self, count: int | None) -> None:
        self._left = count

    def one_more(self) -> bool:
        if self._left is None:
            return True
        self._left = max(-1, self._left - 1)
        return self._left >= 0

    @contextmanager
    def of_frameworks(self) -> Iterator[None]:
        """Holds the frameworks' own loaders to it, whatever the gate does before it calls them."""
        places = [(each, name) for each, name in _loaders() if self._left is not None]
        kept = [getattr(owner, name) for owner, name in places]
        for (owner, name), load in zip(places, kept, strict=True):
            setattr(owner, name, self._counting(load))
        try:
            yield
        finally:
            for (owner, name), load in zip(places, kept, strict=True):
                setattr(owner, name, load)

    def _counting(self, load: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            if not self.one_more():
                raise Enough
            return load(*arguments, **named)

        return counted


def _loaders() -> Iterator[tuple[Any, str]]:
    """The functions that load a file, of the frameworks that are imported."""
    for module in ("keras.models", "keras.saving", "tf_keras.models", "tf_keras.saving"):
        if module in sys.modules:
            yield sys.modules[module], "load_model"
    if "tensorflow" in sys.modules:
        yield sys.modules["tensorflow"].saved_model, "load"
    if "torch" in sys.modules:
        yield sys.modules["torch"].export, "load"


Taken = Callable[["Gate", Path], str]
"""Takes an input all the way; what it returns is told. Raises what the gate raises."""


class Gate:
    """One session, with its cache in a folder of its own."""

    def __init__(self, folder: Path, timeout: float, most: Most | None = None) -> None:
        self.folder = folder
        settings = Settings(
            cache=folder / "cache", reference_check=False, root=folder, runtime_timeout=timeout
        )
        self.settings = settings
        self.most = most or Most(None)
        self.session = EdgeSession(settings, _REGISTRY)

    @cached_property
    def first(self) -> EdgeData:
        """Samples with their channels first."""
        x = np.ascontiguousarray(_DATA.transpose(0, 3, 1, 2))
        return EdgeData(evaluation=(x, _LABELS))

    @cached_property
    def last(self) -> EdgeData:
        return EdgeData(evaluation=(_DATA, _LABELS))

    def close(self) -> None:
        self.session.close()


def finished(form: str) -> Taken:
    """A file that a gate checks as it is: described, opened in a worker and run."""

    def take(gate: Gate, path: Path) -> str:
        model = gate.session.recogniser.model(path)
        known = (model.name, model.node, model.files, model.digest(), model.note)
        if form == "onnx":
            model.load()  # as a model under test it is converted
        gate.session.inspector(model.node[0]).describe(path)
        if not gate.most.one_more():
            return f"{known[1]}; described"
        data = gate.last if form == "tflite" else gate.first
        return f"{known[1]}; {_judged(gate, path, data, _TARGETS[form])}"

    return take


def _judged(gate: Gate, path: Path, data: EdgeData, target: str) -> str:
    wanted = gate.session.target(target)
    artifact = gate.session.adopt(path, wanted)
    case = gate.session.case(Given(path, data), wanted)
    verdicts = gate.session.judge(case, artifact, _BUDGETS, contract=True)
    for each in verdicts:
        _look(each)
    return ", ".join(f"{each.budget.metric} {each.outcome}" for each in verdicts)


def _look(verdict: Verdict) -> None:
    """Whether a verdict says what it measured, or why it did not."""
    verdict.as_dict()
    if verdict.outcome is Outcome.NOT_MEASURED:
        if not (verdict.reason and verdict.remedy):
            raise DishonestError(f"{verdict.budget.metric} is not measured, and does not say why")
    elif verdict.budget.metric != "contract":
        measured = verdict.measured
        if measured is None or measured.n != SAMPLES:
            raise DishonestError(f"{verdict.budget.metric} is of {measured and measured.n} samples")
        if not measured.nonfinite and not 0 <= measured.value <= 1:
            raise DishonestError(f"{verdict.budget.metric} is {measured.value}")
        if verdict.outcome is Outcome.PASS and not measured.value >= 0.9:
            raise DishonestError(f"{verdict.budget.metric} passes with {measured.value}")


def under_test(data: str) -> Taken:
    """A model under test: loaded by its framework and run for its reference predictions."""

    def take(gate: Gate, path: Path) -> str:
        model = gate.session.recogniser.model(path)
        known = (model.name, model.node, model.files, model.digest(), model.note)
        case = gate.session.case(Given(path, getattr(gate, data)), gate.session.target("host"))
        try:
            with gate.most.of_frameworks():
                accuracy = Reference(gate.session, case).accuracy
        except Enough:
            return f"{known[1]}; as far as its framework"
        if not 0 <= accuracy <= 1:
            raise DishonestError(f"the accuracy is {accuracy}")
        return f"{known[1]}; accuracy {accuracy}"

    return take


def arrays(gate: Gate, path: Path) -> str:
    """The samples of ``--edge-data``, and a healthy model run on them."""
    content = read_npz(path)
    data = content.data
    dataset = gate.session.recogniser.dataset(data)
    dataset.check()
    dataset.example()
    dataset.calibration(4).digest()
    healthy = SEEDS / "tflite" / _HEALTHY
    target = gate.session.target("host")
    artifact = gate.session.adopt(healthy, target)
    metric = Metric("top1", groups=content.groups)
    case = gate.session.case(Given(healthy, data, metric), target)
    case.check(_BUDGETS)
    verdicts = gate.session.judge(case, artifact, _BUDGETS)
    for each in verdicts:
        each.as_dict()
    return ", ".join(f"{each.budget.metric} {each.outcome}" for each in verdicts)


def entry(gate: Gate, path: Path) -> str:
    """A run over a cache in which something is wrong: as over an empty one, once it has said so."""
    cache = Gate(path.parents[4], gate.settings.runtime_timeout)
    if not gate.most.one_more():
        key, made = path.parent.name, Cache(cache.settings.cache)
        info = made.fetch(key, lambda folder: {}, lambda found: found.info)
        if info != made.find(key, lambda found: found.info):
            raise DishonestError("another entry is found than was made")
        return "made or found"
    cache.session._workers = gate.session._workers  # which are warm
    found, healed = (_judged(cache, SEEDS / "tflite" / _HEALTHY, cache.last, "host") for _ in "12")
    if found != healed:
        raise DishonestError(f"{found}, then {healed}")
    return found


def table(gate: Gate, path: Path) -> str:
    """Targets of the user's own, each found and planned for."""
    found = []
    for name in known_targets(path.parent, _REGISTRY):
        if name not in _REGISTRY.names("target"):
            target = find_target(name, path.parent, _REGISTRY)
            found.append(f"{target.name}: {_planned(target, gate)}")
    return "; ".join(found)


def _planned(target: Target, gate: Gate) -> str:
    source = gate.session.recogniser.model(SEEDS / "onnx" / "small.onnx")
    try:
        return str(make_plan(source, (PTQ(),), target, _REGISTRY.all("transform")).format)
    except EdgeGateError as error:
        return error.message


WAYS: Mapping[str, Taken] = {
    "npz": arrays,
    "target": table,
    "cache": entry,
    "onnx": finished("onnx"),
    "tflite": finished("tflite"),
    "openvino": finished("openvino"),
    "pt2": under_test("first"),
    "keras": under_test("last"),
    "h5": under_test("last"),
    "savedmodel": under_test("last"),
    "alarm": alarm.take,
}


def checked(error: EdgeGateError) -> tuple[Kind, str]:
    """Whether an error of ours has its first line, and its remedy last."""
    lines = str(error).splitlines()
    first = lines[0] if lines else ""
    whole = (
        first.startswith("edgegate error: ")
        and first != "edgegate error: "
        and bool(error.remedy.strip())
        and lines[-1] == error.remedy.splitlines()[-1]
    )
    return (Kind.CLEAR if whole else Kind.UNCLEAR), first.removeprefix("edgegate error: ")


def cache_seeds() -> tuple[Seed, ...]:
    """What a run over a healthy file leaves in its cache; with no dates in the arrays."""
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        gate = Gate(Path(scratch) / "first", 60)
        _judged(gate, SEEDS / "tflite" / _HEALTHY, gate.last, "host")
        gate.close()
        second = Path(scratch) / "second"
        for manifest in sorted((gate.folder / "cache").rglob("entry.json")):
            _copied(manifest.parent, second)
        return tuple(
            Seed(
                folder.name,
                f"cache/{_below(second, folder)}/entry.json",
                {
                    f"cache/{_below(second, each)}": each.read_bytes()
                    for each in sorted(folder.rglob("*"))
                    if each.is_file()
                },
            )
            for folder in (each.parent for each in sorted(second.rglob("entry.json")))
        )


def _copied(folder: Path, into: Path) -> None:
    """An entry, written anew by the cache itself."""
    info = Cache(folder.parents[2]).find(folder.name, lambda found: found.info)
    assert info is not None

    def build(scratch: Path) -> Mapping[str, Any]:
        for each in sorted(folder.iterdir()):
            if each.suffix == ".npz":
                (scratch / each.name).write_bytes(_undated(each.read_bytes()))
            elif each.name != "entry.json":
                shutil.copy(each, scratch)
        return info

    Cache(into).fetch(folder.name, build, lambda made: made.info)


def _undated(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(made, "w") as archive:
        for each in given.infolist():
            archive.writestr(zipfile.ZipInfo(each.filename), given.read(each))
    return made.getvalue()


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def warm(names: list[str]) -> None:
    """Imports what the formats need, before anything is timed."""
    with warnings.catch_warnings(action="ignore"):
        if any(each in ("keras", "h5", "savedmodel") for each in names):
            import keras  # noqa: F401
            import tf_keras  # noqa: F401
        if "pt2" in names:
            import torch

            torch.set_num_threads(1)
