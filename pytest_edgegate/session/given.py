"""What the fixtures of a test gave, before anything of it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.training import EdgeTraining

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
    """A placeholder for a fixture that the user has not defined; an error once it is needed."""

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
    """A value that is created on first use: building a student may import a framework."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    @cached_property
    def value(self) -> object:
        return self._make()


@dataclass(frozen=True, eq=False)
class Given:
    """The values of a test's fixtures."""

    model: object = Missing("edge_model")
    data: object = Missing("edge_data")
    metric: object = "top1"
    student: Later = field(default_factory=lambda: Later(lambda: Missing("edge_student")))
    training: object = field(default_factory=EdgeTraining)
