"""``--edge-model``: a gate without a test file, one item per target.

The items are functions of pytest, so that fixtures of a ``conftest.py`` hold for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError
from pytest_edgegate.core.printable import printable_line
from pytest_edgegate.gating import keep_gate
from pytest_edgegate.session.given import Given, Missing
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.state import session_of

if TYPE_CHECKING:
    from pytest_edgegate.data.npz import NpzContent

DEFAULT_BUDGETS = (Budget("accuracy_drop", 0.01, "0.01"),)
_ALONE = "edge_model_alone"
"""The key of a worker's input: whether the controller collects no other tests."""


_FOLDERS = pytest.StashKey[dict[Path, pytest.Directory]]()
"""The folders that pytest has collected: the fixtures of their conftest.py hold below them."""


class ModelCollector(pytest.Collector):
    """The parent of the items, in place of a test file."""

    def collect(self) -> list[pytest.Item]:
        return []


class ModelItem(pytest.Function):
    """``edgegate::<file>[<target>]``: the default recipe, judged by the ini's budgets."""

    def __init__(self, *, target: str, settings: Settings, **kwargs: Any) -> None:
        by_fixture = settings.data is None
        super().__init__(callobj=_with_fixtures if by_fixture else _with_a_file, **kwargs)
        self.target_name = target
        self._settings = settings
        self.add_marker("edge")

    def runtest(self) -> None:
        """Not by pytest's hook for functions, which --edge-explain leaves out."""
        content = self._content()
        with _in_words_of(self._settings.data, content.keys):
            self._gate_on(content.data, content.groups)

    def _gate_on(self, data: Any, groups: Any) -> None:
        assert self._settings.model is not None  # add_model_items() has checked
        session = session_of(self.config)
        case = session.case(
            Given(self._settings.model, data, _grouped(self._metric(), groups)),
            session.target(self.target_name),
            self._settings.budgets or DEFAULT_BUDGETS,
            self.nodeid,
            by_model=True,
        )
        keep_gate(self, case).request(f"--edge-model {self._settings.model.name}", None)

    def _content(self) -> NpzContent:
        """The data, and the groups of its evaluation samples if the file has them."""
        from pytest_edgegate.data.npz import NpzContent, read_npz

        if self._settings.data is not None:
            return read_npz(self._settings.data)
        data: Any = self.funcargs["edge_data"]
        if isinstance(data, Missing):
            raise ConfigurationError(
                "--edge-model needs data to be gated on",
                "add --edge-data=eval.npz (keys x and y), or define a fixture edge_data in "
                "conftest.py",
            )
        return NpzContent(data)

    def _metric(self) -> Any:
        """What was typed goes before the fixture of a conftest.py, and that before the ini."""
        return self.config.getoption("edge_metric") or self.funcargs["edge_metric"]

    def reportinfo(self) -> tuple[Path, None, str]:
        return self._settings.root, None, self.nodeid


@contextmanager
def _in_words_of(file: Path | None, keys: Mapping[str, str]) -> Iterator[None]:
    """Has errors about a split name the array in the user's file that it was read from."""
    try:
        yield
    except EdgeGateError as error:
        if file is not None:
            for split, key in keys.items():
                error.reword(f"edge_data.{split}", f"{key} in {file.name}")
        raise


def _grouped(metric: Any, groups: Any) -> Any:
    from pytest_edgegate.measures.metrics import Metric

    if groups is None:
        return metric
    if isinstance(metric, Metric):
        return metric if metric.groups is not None else replace(metric, groups=groups)
    return Metric(metric, groups=groups) if isinstance(metric, str) else metric


def _with_a_file(edge_metric: Any) -> None: ...


def _with_fixtures(edge_data: Any, edge_metric: Any) -> None: ...


def add_model_items(session: pytest.Session, settings: Settings, items: list[pytest.Item]) -> None:
    """Adds the items of --edge-model, and tells pytest that they were collected."""
    assert settings.model is not None  # the caller has checked
    parent = ModelCollector.from_parent(_folder(session), name="edgegate", nodeid="edgegate")
    file = printable_line(settings.model.name)  # pytest prints names of tests as they are
    added = [
        ModelItem.from_parent(parent, name=f"{file}[{target}]", target=target, settings=settings)
        for target in settings.targets
    ]
    items[:] = added if _is_alone(session.config) else [*items, *added]
    report = pytest.CollectReport(parent.nodeid, "passed", None, list(added))
    parent.ihook.pytest_collectreport(report=report)


def note_folder(folder: pytest.Directory) -> None:
    folder.config.stash.setdefault(_FOLDERS, {})[folder.path] = folder


def _folder(session: pytest.Session) -> pytest.Collector:
    """The innermost collected folder around what pytest was first asked for."""
    known = session.config.stash.get(_FOLDERS, {})
    asked = next(iter(_asked(session.config)), session.config.rootpath)
    return next((known[each] for each in (asked, *asked.parents) if each in known), session)


def _asked(config: pytest.Config) -> list[Path]:
    here = config.invocation_params.dir
    return [(here / str(each).partition("::")[0]).resolve() for each in config.args]


def is_left_out(path: Path, config: pytest.Config) -> bool:
    """Whether a file or a folder is not collected: where --edge-model is typed and no test is
    named, only the folders around the tests are, for their fixtures."""
    if not _is_alone(config):
        return False
    return not path.is_dir() or not any(each.is_relative_to(path) for each in _asked(config))


def tell_worker(config: pytest.Config, worker_input: MutableMapping[str, Any]) -> None:
    worker_input[_ALONE] = _is_alone(config)


def _is_alone(config: pytest.Config) -> bool:
    told: Any = getattr(config, "workerinput", {}).get(_ALONE)
    if told is not None:
        return bool(told)
    typed = config.getoption("edge_model") is not None
    return typed and config.args_source is not pytest.Config.ArgsSource.ARGS
