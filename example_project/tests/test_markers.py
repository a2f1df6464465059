"""Budgets as markers: an empty body is a complete test."""

import pytest

from pytest_edgegate import PTQ, Artifact


@pytest.mark.edge_budget(accuracy_drop=0.01, size="60 kB", parity_agreement=0.99)
def test_ptq(edge_ptq: Artifact) -> None: ...


@pytest.mark.edge_budget(accuracy_min=0.97, macs="3 M", parameters="30 k")
@pytest.mark.edge_budget("coral", compression=2)
def test_what_it_costs(edge_artifact: Artifact) -> None: ...


@pytest.mark.edge_recipe(PTQ(50, per_channel=False))
@pytest.mark.edge_budget(accuracy_drop=0.02)
def test_fewer_samples_and_per_tensor(edge_artifact: Artifact) -> None: ...
