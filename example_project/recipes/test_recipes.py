"""The same Keras model, trained with int8 in mind, and with a third of its filters gone."""

import pytest

from pytest_edgegate import PTQ, QAT, Artifact, Prune


@pytest.mark.edge_recipe(QAT(epochs=1, lr=1e-4))
@pytest.mark.edge_budget(accuracy_drop=0.01, size="60 kB", parity_agreement=0.99)
def test_qat(edge_artifact: Artifact) -> None: ...


@pytest.mark.edge_recipe(Prune(0.3, lr=1e-3), PTQ())
@pytest.mark.edge_budget(accuracy_drop=0.02, size="40 kB", macs="1.3 M")
def test_pruned(edge_artifact: Artifact) -> None: ...
