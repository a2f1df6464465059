"""What the user gave to be gated, recognised: the model, its data, its metric."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

from pytest_edgegate.core.errors import ConfigurationError, InferenceError
from pytest_edgegate.core.layout import CHANNELS_FIRST, CHANNELS_LAST
from pytest_edgegate.core.ports import Example, SourceModel, Surroundings
from pytest_edgegate.core.training import EdgeTraining
from pytest_edgegate.reading.copies import changed, signature
from pytest_edgegate.reading.foreign import reason_of
from pytest_edgegate.reading.regular import (
    files_in,
    is_there,
    open_regular,
    regular_size,
    unreadable,
    where_started,
)
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.foreign_files import ForeignModel
from pytest_edgegate.session.taken_in import TakenIn, reading

if TYPE_CHECKING:
    from pytest_edgegate.data.dataset import Dataset

_T = TypeVar("_T")

_FILES = "a .keras, .h5, .pt2, .onnx, .tflite or OpenVINO .xml file, or of a SavedModel folder"

_LINES = {
    "edge_model": """\
@pytest.fixture(scope="session")
def edge_model():
    return "models/my_model.keras\"""",
    "edge_data": """\
@pytest.fixture(scope="session")
def edge_data():
    return EdgeData(calibration=x_train[:200], evaluation=(x_test, y_test))""",
    "edge_student": """\
@pytest.fixture(scope="session")
def edge_student():
    torch.manual_seed(0)  # or keras.utils.set_random_seed(0): other weights are another student
    return build_small_model()  # a keras.Model or a torch.nn.Module with the same classes""",
}


class Missing:
    """Stands for a fixture that the user has not defined; an error where it is needed."""

    def __init__(self, fixture: str) -> None:
        self.fixture = fixture

    def error(self) -> ConfigurationError:
        """The error, with the lines to paste."""
        imports = "import pytest\n"
        if self.fixture == "edge_data":
            imports += "from pytest_edgegate import EdgeData\n"
        return ConfigurationError(
            f"there is no fixture {self.fixture}",
            f"paste this into conftest.py and fill it in:\n\n{imports}\n{_LINES[self.fixture]}",
        )


class Later:
    """What is made when it is first needed: a student may take a framework to build."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    @cached_property
    def value(self) -> object:
        return self._make()


@dataclass(frozen=True, eq=False)
class Subject:
    """What a gate is about, as the fixtures gave it."""

    model: object = Missing("edge_model")
    data: object = Missing("edge_data")
    metric: object = "top1"
    student: Later = field(default_factory=lambda: Later(lambda: Missing("edge_student")))
    training: object = field(default_factory=EdgeTraining)

    @property
    def has_model(self) -> bool:
        return not isinstance(self.model, Missing)

    @property
    def has_data(self) -> bool:
        return not isinstance(self.data, Missing)


class Recogniser:
    """Knows models and data by their content, once a run for each object."""

    def __init__(self, root: Path, registry: Registry, *, allow_code: bool = False) -> None:
        self._root = root
        self._registry = registry
        self._allow_code = allow_code
        self._models: _Recent[SourceModel] = _Recent()
        self._datasets: _Recent[Dataset] = _Recent()
        self._subjects: WeakKeyDictionary[Subject, SourceModel] = WeakKeyDictionary()

    def subject(self, subject: Subject) -> SourceModel:
        """The model under test. Raises ConfigurationError, InferenceError.

        A file is what it was when the test first asked for it: an artifact and what it is compared
        with are of one model, also where the file is written to in between.
        """
        if not isinstance(subject.model, str | Path):
            return self.model(subject.model, subject.data)
        if subject not in self._subjects:
            self._subjects[subject] = self.model(subject.model, subject.data)
        return self._subjects[subject]

    def student(self, subject: Subject) -> SourceModel:
        """The model that is distilled into. Raises ConfigurationError, InferenceError.

        Its channels may lie elsewhere than those of the data: a live module, which does not say
        what it takes, is shown the samples both ways.
        """
        student = subject.student.value
        found = self.model(student, subject.data)
        if found.path is not None:
            return found
        key, held = ("student", id(student), id(subject.data)), (student, subject.data)
        return self._models.get(key, held, lambda: self._fitting(found, subject))

    def _fitting(self, found: SourceModel, subject: Subject) -> SourceModel:
        try:
            found.load()
        except ConfigurationError as refusal:
            for axes in (CHANNELS_FIRST, CHANNELS_LAST):
                turned = self._recognise(subject.student.value, subject.data, axes)
                with suppress(ConfigurationError):
                    turned.load()
                    return turned
            raise refusal
        return found

    def training(self, subject: Subject) -> EdgeTraining:
        """What the user says about training. Raises ConfigurationError."""
        if not isinstance(subject.training, EdgeTraining):
            raise ConfigurationError(
                f"edge_training is a {type(subject.training).__name__}, not an EdgeTraining",
                "return EdgeTraining(batch_size=64, ...) from it",
            )
        return subject.training

    def model(self, given: object, data: object = Missing("edge_data")) -> SourceModel:
        """A model, or a file to gate; *data* tells the inputs of one that does not say them.

        Raises ConfigurationError, InferenceError.
        """
        if isinstance(given, Missing):
            raise given.error()
        if isinstance(given, str | Path):
            with reading(Path(given)):
                path = self.find_file(given)
                known = _signature(path)
            return self._models.get(known, path, lambda: self._of_others(path, data), _is_current)
        held = (given, data)
        return self._models.get((id(given), id(data)), held, lambda: self._recognise(given, data))

    def _of_others(self, path: Path, data: object) -> SourceModel:
        if not path.is_dir():
            open_regular(path).close()  # readers would wait for ever at a pipe
        with reading(path):
            found = self._recognise(path, data)
            return TakenIn(found, path, lambda copy: self._recognise(copy, data))

    def dataset(self, given: object) -> Dataset:
        """The data, read and digested once a run. Raises ConfigurationError."""
        from pytest_edgegate.data.dataset import Dataset

        if isinstance(given, Missing):
            raise given.error()
        return self._datasets.get(id(given), given, lambda: Dataset(given))

    def find_file(self, given: str | Path) -> Path:
        """A path of the user's: absolute, or relative to pytest's root, or to where it started."""
        for folder in (self._root, where_started()):
            if folder is not None and is_there(folder / given):
                return folder / given
        raise ConfigurationError(
            f"{given} does not exist (looked in {self._root})",
            "check the path: it is relative to pytest's root folder",
        )

    def _recognise(
        self, given: object, data: object, axes: tuple[int, ...] | None = None
    ) -> SourceModel:
        def example() -> Example:
            shown = self.dataset(data).example()
            if axes is None:
                return shown
            turned = (x.transpose(axes) if x.ndim == len(axes) else x for x in shown.arrays)
            return replace(shown, arrays=tuple(turned))

        around = Surroundings(example, self._allow_code)
        if isinstance(given, Path) and not given.is_dir() and regular_size(given) == 0:
            raise InferenceError(f"{given.name} is empty", "make the file again")
        for name, reader in self._registry.all("model reader").items():
            found: SourceModel | None = reader.recognise(given, around)
            if found is not None and found.path is not None:
                entry = self._registry.entry("model reader", name)
                return ForeignModel(found, found.path, entry, around)
            if found is not None:
                return found
        if isinstance(given, Path) and not given.exists():
            raise changed(given)
        if isinstance(given, Path):
            raise ConfigurationError(
                f"{given.name} is no model that an installed backend knows by its content",
                f"give {_FILES}",
            )
        raise ConfigurationError(
            f"edge_model is a {type(given).__module__}.{type(given).__qualname__}, which no "
            "installed backend knows",
            f"return a keras.Model, a torch.nn.Module, or the path of {_FILES}",
        )


class _Recent(Generic[_T]):
    """What the last few objects were recognised as. Each is held, for its id to stay its own."""

    _KEPT = 4  # fixtures of function scope give a new object, which may be large, to every test

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[object, _T]] = {}

    def get(
        self, key: Hashable, held: object, make: Callable[[], _T],
        holds: Callable[[_T], bool] = lambda known: True,
    ) -> _T:  # fmt: skip
        """What is known under *key*, if it *holds* still; else what *make* gives."""
        if key in self._known and not holds(self._known[key][1]):
            del self._known[key]
        if key not in self._known:
            made = make()
            while len(self._known) >= self._KEPT:
                del self._known[next(iter(self._known))]
            self._known[key] = (held, made)
        return self._known[key][1]


def _is_current(model: SourceModel) -> bool:
    """Weights may lie beside the file that a path names, and change alone."""
    return not isinstance(model, TakenIn) or model.is_current()


def _signature(path: Path) -> Hashable:
    """Changes when a file, or a file in a folder, is written again."""
    try:
        files = sorted(files_in(path)) if path.is_dir() else [path]
        return signature(path, [each for each in files if each.is_file()])
    except OSError as error:
        raise unreadable(path, reason_of(error)) from error
