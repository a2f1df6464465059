"""The same budgets for a torch model, whatever it becomes: LiteRT for coral, ONNX for onnx-cpu."""

import pytest

from pytest_edgegate import Artifact, Cast


@pytest.mark.edge_budget(accuracy_drop=0.01, size="60 kB", parity_agreement=0.99, sqnr_db=15)
def test_ptq(edge_ptq: Artifact) -> None: ...


@pytest.mark.edge_budget(export_error=1e-3, parameters="15 k", macs="3 M")
def test_the_export_is_the_model(edge_artifact: Artifact) -> None: ...


@pytest.mark.edge_targets("onnx-cpu")
@pytest.mark.edge_recipe(Cast("float16"))
@pytest.mark.edge_budget(accuracy_drop=0.001, compression=1.3)
def test_half_precision(edge_artifact: Artifact) -> None: ...
