"""The ``edge_*`` fixtures: thin, because the session and the cache remember their work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.state import session_of, state_of

if TYPE_CHECKING:
    from pytest_edgegate.core.artifact import Artifact
    from pytest_edgegate.core.target import Target
    from pytest_edgegate.gate import EdgeCompress, EdgeGate
    from pytest_edgegate.item_gate import ItemGate
    from pytest_edgegate.session.reference import Reference


@pytest.fixture(scope="session")
def edge_model() -> Any:
    """The model under test; define your own: a keras.Model or a path."""
    from pytest_edgegate.session.given import Missing

    return Missing("edge_model")


@pytest.fixture(scope="session")
def edge_data() -> Any:
    """The data; define your own: an EdgeData."""
    from pytest_edgegate.session.given import Missing

    return Missing("edge_data")


@pytest.fixture(scope="session")
def edge_metric(pytestconfig: pytest.Config) -> Any:
    """The metric for accuracy: that of --edge-metric, else top-1, unless you define your own."""
    return state_of(pytestconfig).settings.metric or "top1"


@pytest.fixture(scope="session")
def edge_student() -> Any:
    """The model that Distill trains; define your own: a keras.Model, a torch.nn.Module, a path."""
    from pytest_edgegate.session.given import Missing

    return Missing("edge_student")


@pytest.fixture(scope="session")
def edge_training() -> Any:
    """How recipes train; define your own: an EdgeTraining."""
    from pytest_edgegate.core.training import EdgeTraining

    return EdgeTraining()


@pytest.fixture(scope="session")
def edge_target(request: pytest.FixtureRequest) -> Target:
    """The target that the test is running for."""
    if not hasattr(request, "param"):
        raise ConfigurationError(
            "a test that was not parametrised by target asks for an edge fixture",
            "use a function or a plain class, and name the fixture as an argument",
        )
    return session_of(request.config).target(request.param)


@pytest.fixture
def _edge_gate(
    request: pytest.FixtureRequest,
    edge_target: Target,
    edge_model: Any,
    edge_data: Any,
    edge_metric: Any,
    edge_training: Any,
) -> ItemGate:
    """The gate of this test, for the values of the user's fixtures."""
    from pytest_edgegate.gating import start_gate
    from pytest_edgegate.session.given import Given, Later

    student = Later(lambda: request.getfixturevalue("edge_student"))
    given = Given(edge_model, edge_data, edge_metric, student, edge_training)
    return start_gate(request.node, given, request.fixturenames)


@pytest.fixture
def edge_reference(_edge_gate: ItemGate) -> Reference:
    """The model under test itself, in float."""
    from pytest_edgegate.session.reference import Reference

    return Reference(_edge_gate.session, _edge_gate.case)


@pytest.fixture
def edge_compress(_edge_gate: ItemGate) -> EdgeCompress:
    """``edge_compress(*steps)``: builds an artifact by any recipe."""
    from pytest_edgegate.gate import CompressByCall

    return CompressByCall(_edge_gate)


@pytest.fixture
def edge_artifact(request: pytest.FixtureRequest, _edge_gate: ItemGate) -> Artifact:
    """The artifact of the test's ``edge_recipe``; PTQ without one."""
    from pytest_edgegate.gating import markers_of

    recipe = markers_of(request.node).recipe_for(_edge_gate.case.target.name)
    return _edge_gate.request("edge_artifact", recipe)


@pytest.fixture
def edge_ptq(_edge_gate: ItemGate) -> Artifact:
    """The artifact of PTQ."""
    from pytest_edgegate.core.recipe import PTQ

    return _edge_gate.request("edge_ptq", (PTQ(),))


@pytest.fixture
def edge_qat(_edge_gate: ItemGate) -> Artifact:
    """The artifact of quantisation-aware training."""
    from pytest_edgegate.core.recipe import QAT

    return _edge_gate.request("edge_qat", (QAT(),))


@pytest.fixture
def edge_pruned(_edge_gate: ItemGate) -> Artifact:
    """The artifact of structured pruning and PTQ."""
    from pytest_edgegate.core.recipe import PTQ, Prune

    return _edge_gate.request("edge_pruned", (Prune(), PTQ()))


@pytest.fixture
def edge_distilled(_edge_gate: ItemGate) -> Artifact:
    """The artifact of distillation into ``edge_student`` and quantisation-aware training."""
    from pytest_edgegate.core.recipe import QAT, Distill

    return _edge_gate.request("edge_distilled", (Distill(), QAT()))


@pytest.fixture
def edge_gate(_edge_gate: ItemGate) -> EdgeGate:
    """Assertions by hand: ``edge_gate.accuracy(artifact, drop=0.01)`` and its kin."""
    from pytest_edgegate.gate import EdgeGate

    return EdgeGate(_edge_gate)
