"""What only a training reads of a live module is in its identity, and the modes are not."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

X = np.ones((2, 4), np.float32)


@pytest.fixture(scope="session")
def make(torch: ModuleType) -> Callable[..., Any]:
    def build(
        drop: float = 0.5,
        momentum: float = 0.1,
        noise: float = 0.25,
        *,
        frozen: bool = False,
        tied: bool = False,
        scaled: bool = False,
        own: bool = False,
    ) -> Any:
        class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                torch.manual_seed(0)
                self.one = torch.nn.Linear(4, 4)
                self.norm = torch.nn.BatchNorm1d(4, momentum=momentum)
                self.drop = torch.nn.Dropout(drop)
                self.two = torch.nn.Linear(4, 4)
                self.two.load_state_dict(self.one.state_dict())
                self.one.weight.requires_grad_(not frozen)
                if tied:
                    self.two.weight = self.one.weight

            def forward(self, x: Any) -> Any:
                x = self.drop(self.norm(self.one(x)))
                if self.training:
                    x = x + noise * torch.randn_like(x)
                    x = x * 2 if scaled else x
                return self.two(x)

        class Another(Net):
            def forward(self, x: Any) -> Any:
                return super().forward(x)

        return Another() if own else Net()

    return build


@pytest.fixture(scope="session")
def identity(recognise: Any) -> Callable[[Any], str]:
    def of(module: Any) -> str:
        found = recognise(module, X).load().training_identity
        assert found is not None
        made: str = found()
        return made

    return of


CHANGES: list[dict[str, Any]] = [
    {"drop": 0.4},
    {"momentum": 0.2},
    {"noise": 0.5},
    {"frozen": True},
    {"tied": True},
    {"scaled": True},
    {"own": True},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_what_a_training_reads(make: Any, identity: Any, change: dict[str, Any]) -> None:
    assert identity(make()) != identity(make(**change))


@pytest.mark.parametrize("change", [{"noise": 0.5}, {"frozen": True}, {"scaled": True}], ids=str)
def test_the_digest_of_outputs_does_not_tell(
    make: Any, recognise: Any, change: dict[str, Any]
) -> None:
    assert recognise(make(), X).digest() == recognise(make(**change), X).digest()


def test_the_same_module_has_one_identity(torch: ModuleType, make: Any, identity: Any) -> None:
    first = identity(make())
    assert identity(make()) == first
    assert identity(make().eval()) == first
    assert len(first) == 64


def test_a_change_after_it_was_read(make: Any, recognise: Any) -> None:
    module = make()
    found = recognise(module, X).load().training_identity
    before = found()
    module.one.bias.requires_grad_(False)
    assert found() != before


def test_the_module_and_the_random_numbers_stay(
    torch: ModuleType, make: Any, identity: Any
) -> None:
    module = make().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    identity(module)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(part.training for part in module.modules())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_what_can_not_be_exported_while_learning_has_one_too(
    torch: ModuleType, identity: Any
) -> None:
    class Branches(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, drop: float) -> None:
            super().__init__()
            self.head, self.drop = torch.nn.Linear(4, 2), torch.nn.Dropout(drop)

        def forward(self, x: Any) -> Any:
            x = self.drop(x)
            if self.training and float(x.sum()) > 1e9:
                x = x / 2
            return self.head(x)

    assert identity(Branches(0.1)) == identity(Branches(0.1)) != identity(Branches(0.2))


def test_a_file_needs_none(recognise: Any, healthy: Any) -> None:
    assert recognise(healthy).load().training_identity is None


CODE = """
import numpy as np, torch
from pytest_edgegate import EdgeData
from pytest_edgegate.backends.torch.reader import READER
from pytest_edgegate.testing.contract import surroundings

module = torch.nn.Sequential(
    torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Dropout(0.3), torch.nn.Flatten(),
    torch.nn.Linear(144, 10),
)
data = EdgeData(evaluation=np.zeros((2, 1, 8, 8), np.float32))
print(READER.recognise(module, surroundings(data)).load().training_identity())
"""


def test_two_processes_give_the_same(
    another_process: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(CODE, {})
    printed = capsys.readouterr().out.strip()
    assert len(printed) == 64
    assert printed == another_process(CODE)
