"""``--edge-model`` with ``--edge-data``: a gate without a test file, one item per target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.gating import keep_gate
from pytest_edgegate.session.given import Given
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.state import session_of

DEFAULT_BUDGETS = (Budget("accuracy_drop", 0.01, "0.01"),)


class ModelCollector(pytest.Collector):
    """The parent of the items, in place of a test file."""

    def collect(self) -> list[pytest.Item]:
        return []


class ModelItem(pytest.Item):
    """``edgegate::<file>[<target>]``: the default recipe, judged by the ini's budgets."""

    def __init__(self, *, target: str, settings: Settings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_name = target
        self._settings = settings
        self.add_marker("edge")

    def runtest(self) -> None:
        from pytest_edgegate.data.npz import read_npz
        from pytest_edgegate.measures.metrics import Metric

        assert self._settings.model is not None  # model_items() has checked
        assert self._settings.data is not None
        session = session_of(self.config)
        content = read_npz(self._settings.data)
        case = session.case(
            Given(self._settings.model, content.data, Metric("top1", groups=content.groups)),
            session.target(self.target_name),
            self._settings.budgets or DEFAULT_BUDGETS,
            self.nodeid,
        )
        keep_gate(self, case).request(f"--edge-model {self._settings.model.name}", None)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self._settings.root, None, self.nodeid


def model_items(session: pytest.Session, settings: Settings) -> list[pytest.Item]:
    """The items of --edge-model; an empty list without it."""
    if settings.model is None or settings.data is None:
        return []
    parent = ModelCollector.from_parent(session, name="edgegate", nodeid="edgegate")
    return [
        ModelItem.from_parent(
            parent, name=f"{settings.model.name}[{target}]", target=target, settings=settings
        )
        for target in settings.targets
    ]
