"""The pytest plugin ``edgegate``: hooks that only delegate."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError
from pytest_edgegate.core.exceeded import BudgetExceeded
from pytest_edgegate.fixtures import (  # noqa: F401 - pytest registers fixtures that it finds here
    _edge_gate,
    edge_artifact,
    edge_compress,
    edge_data,
    edge_distilled,
    edge_gate,
    edge_metric,
    edge_model,
    edge_pruned,
    edge_ptq,
    edge_qat,
    edge_reference,
    edge_student,
    edge_target,
    edge_training,
)
from pytest_edgegate.reports import html as html_report
from pytest_edgegate.reports import json as json_report
from pytest_edgegate.reports import markdown as markdown_report
from pytest_edgegate.reports import plot as plot_report
from pytest_edgegate.settings.actions import check_actions
from pytest_edgegate.settings.options import MARKERS, add_options, marker_lines
from pytest_edgegate.state import DESELECTED_KEY, FAULTS_KEY, STATE_KEY, RunState, state_of

if TYPE_CHECKING:
    from pytest_edgegate.core.record import VerdictRecord

_REPORTS = {
    "json": json_report,
    "html": html_report,
    "md": markdown_report,
    "plot": plot_report,
}
"""Separate plugins, like third-party reporters."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    add_options(parser)
    for name, plugin in _REPORTS.items():
        pluginmanager.register(plugin, f"edgegate-report-{name}")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_edgegate import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    for line in marker_lines(in_full=bool(config.getoption("markers", False))):
        config.addinivalue_line("markers", line)
    try:
        state = RunState(config)
        check_actions(config)
    except ConfigurationError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[STATE_KEY] = state
    config.pluginmanager.register(state, "edgegate-run")
    config.pluginmanager.register(_LateMarks(), "edgegate-marks")
    if state.settings.compares:
        from pytest_edgegate.merge_gate import MergeGate

        config.pluginmanager.register(MergeGate(config, state), "edgegate-merge-gate")
    if os.environ.get("GITHUB_ACTIONS") == "true" and not hasattr(config, "workerinput"):
        from pytest_edgegate.on_github import OnGithub

        config.pluginmanager.register(OnGithub(config), "edgegate-github")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    lists, accepts = config.getoption("edge_list_targets"), config.getoption("edge_accept")
    if not lists and accepts is None:
        return None
    config._do_configure()
    try:
        if lists:
            from pytest_edgegate.listing import list_targets

            return list_targets(state_of(config).edge_session)
        from pytest_edgegate.accepting import accept_asked

        return accept_asked(config, state_of(config).settings)
    except EdgeGateError as error:
        raise pytest.UsageError(str(error)) from None
    finally:
        config._ensure_unconfigure()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if state_of(config).settings.model is None:
        return None
    from pytest_edgegate.model_item import is_left_out

    return True if is_left_out(collection_path, config) else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A worker of pytest-xdist is given what the user typed; it gets arguments of its own."""
    if state_of(node.config).settings.model is not None:
        from pytest_edgegate.model_item import tell_worker

        tell_worker(node.config, node.workerinput)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    from pytest_edgegate.collection import add_target_fixture

    add_target_fixture(collector, obj)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "edge_target" in metafunc.fixturenames:
        from pytest_edgegate.collection import parametrise

        state = state_of(metafunc.config)
        parametrise(metafunc, state.settings, state.edge_session.known_targets())


def _may_have_mistakes(item: pytest.Item) -> bool:
    """A coarse answer, which spares most tests a closer look."""
    names = {mark.name for mark in item.iter_markers()}
    if getattr(getattr(item, "callspec", None), "marks", ()) and not names.isdisjoint(MARKERS):
        return True
    others = names - MARKERS.keys()
    if not others:
        return False
    uses: list[str] = getattr(item, "fixturenames", [])
    is_ours = not names.isdisjoint(MARKERS)
    return is_ours or any(name.startswith("edge_") for name in (*others, *uses))


class _LateMarks:
    """Looks at marks that were added after the collection."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if _may_have_mistakes(item):
            from pytest_edgegate.near_marks import check_marks

            check_marks(item)


def pytest_itemcollected(item: pytest.Item) -> None:
    asks = any(mark.name in MARKERS for mark in item.iter_markers())
    if asks or "edge_target" in getattr(item, "fixturenames", ()):
        item.add_marker("edge")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    state = state_of(config)
    if state.settings.model is not None:
        from pytest_edgegate.model_item import add_model_items

        add_model_items(session, state.settings, items)
    if state.settings.explain or any(item.get_closest_marker("edge") for item in items):
        from pytest_edgegate.collection import deselect

        deselect(config, items, state.settings, state.edge_session.known_targets())


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Not among the names of tests that --collect-only -q prints, nor with -m "not edge"."""
    others_only = items and not any(map(_is_ours, items))
    if others_only or config.getoption("verbose") < (0 if config.option.collectonly else -1):
        return []
    if DESELECTED_KEY not in config.stash:
        return []
    from pytest_edgegate.collection import why_deselected

    return why_deselected(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    if item.get_closest_marker("edge") is not None:
        from pytest_edgegate.gating import begin

        begin(item)
    try:
        return (yield)
    except EdgeGateError as error:
        _note(item, error)
        if _is_ours(item):
            from pytest_edgegate.gating import withdraw

            withdraw(item, f"it ended in an error: {error.message}")
        raise
    except pytest.skip.Exception:
        if _is_ours(item):
            from pytest_edgegate.gating import drop_candidate

            drop_candidate(item)
        raise


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> bool | None:
    """A test that is red before its body sets up no further fixtures."""
    if not isinstance(request.node, pytest.Item) or not _is_ours(request.node):
        return None
    from pytest_edgegate.gating import set_aside

    return True if set_aside(request.node, fixturedef, request) else None


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """With --edge-explain no test body runs, nor that of a test that is red by now."""
    if state_of(pyfuncitem.config).settings.explain:
        return True
    if not _is_ours(pyfuncitem):
        return None
    from pytest_edgegate.gating import is_stopped

    return True if is_stopped(pyfuncitem) else None


def _is_ours(item: pytest.Item) -> bool:
    return item.get_closest_marker("edge") is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    look = in_body = True
    raised: BaseException | None = None
    try:
        result = yield
        in_body = False
        if _is_ours(item):
            from pytest_edgegate.gating import judge_item

            judge_item(item)
    except EdgeGateError as error:
        look, raised = False, error
        _note(item, error)
        raise
    except (KeyboardInterrupt, pytest.exit.Exception, pytest.skip.Exception) as ended:
        look, raised = False, ended
        raise
    except BaseException as error:
        raised = error
        raise
    finally:
        if _is_ours(item):
            from pytest_edgegate.gating import leave_candidate, note_artifacts

            note_artifacts(item, look=look)
            leave_candidate(item, raised, in_body=in_body)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    except BaseException as error:
        if _is_ours(item):
            from pytest_edgegate.gating import withdraw

            withdraw(item, "its teardown failed")
        if isinstance(error, EdgeGateError):
            _note(item, error)
        raise


def _note(item: pytest.Item, error: EdgeGateError) -> None:
    """Notes an error where it is raised: a plugin that runs a test again may report it or not."""
    from pytest_edgegate.gating import note_error
    from pytest_edgegate.mark_places import place_of_test

    note_error(item, error, place_of_test(item))


def _placed(item: pytest.Item, verdict: VerdictRecord) -> VerdictRecord:
    """A verdict with the line of its budget, where it may be shown: not if it passes."""
    from dataclasses import replace

    from pytest_edgegate.mark_places import place_of_budget

    place = place_of_budget(item, verdict.budget.metric, verdict.target)
    return replace(verdict, place=place)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if isinstance(collector, pytest.Directory) and state_of(collector.config).settings.model:
        from pytest_edgegate.model_item import note_folder

        note_folder(collector)
    if report.failed:
        from pytest_edgegate.reporting import clean_collection

        clean_collection(report)
        return report
    doubtful = [
        each
        for each in report.result or ()
        if isinstance(each, pytest.Item) and _may_have_mistakes(each)
    ]
    if doubtful:
        from pytest_edgegate.collection import look_at_marks

        def known() -> list[str]:
            return state_of(collector.config).edge_session.known_targets()

        for item in doubtful:
            look_at_marks(collector, item, known)
    if FAULTS_KEY not in collector.stash:
        return report
    from pytest_edgegate.collection_faults import reported

    return reported(collector, report)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call" and call.excinfo is None and state_of(item.config).settings.explain:
        # its body did not run, so that nothing is known of a failure that xfail expects
        report.outcome, report.longrepr = "passed", None
        vars(report).pop("wasxfail", None)
    if call.excinfo is not None and isinstance(call.excinfo.value, BudgetExceeded | EdgeGateError):
        from pytest_edgegate.reporting import clean_text

        report.longrepr = clean_text(call.excinfo.value, item.config)
    is_ours = item.get_closest_marker("edge") is not None
    if is_ours or (call.excinfo is not None and isinstance(call.excinfo.value, EdgeGateError)):
        from pytest_edgegate.gating import forget
        from pytest_edgegate.reporting import attach

        attach(item, report, lambda record: _placed(item, record))
        if call.when == "teardown":
            forget(item)  # pytest keeps its items to the end, and copies of models take up space
    return report
