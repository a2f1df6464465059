"""Models that tensorflow-model-optimization has wrapped: what takes the wrappers off is named."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from pytest_edgegate.backends.keras.vetting.files import vet_archive
from pytest_edgegate.backends.wrapped_layers import unwrapping
from pytest_edgegate.core.errors import UnsupportedError

_TFMOT = "tensorflow_model_optimization.python.core"
WRAPPERS = {
    "PruneLowMagnitude": (f"{_TFMOT}.sparsity.keras.pruning_wrapper", "strip_pruning(model)"),
    "ClusterWeights": (f"{_TFMOT}.clustering.keras.cluster_wrapper", "strip_clustering(model)"),
    "QuantizeLayer": (f"{_TFMOT}.quantization.keras.quantize_layer", "quantize_scope()"),
    "QuantizeWrapperV2": (f"{_TFMOT}.quantization.keras.quantize_wrapper", "quantize_scope()"),
    "QuantizeAnnotate": (f"{_TFMOT}.quantization.keras.quantize_annotate", "quantize_scope()"),
}


@pytest.mark.parametrize("kind", WRAPPERS)
@pytest.mark.parametrize("module", [True, False], ids=["with its module", "bare"])
def test_a_file_with_wrapped_layers(tmp_path: Path, kind: str, module: bool) -> None:
    layer = {"class_name": kind, "config": {"name": "w"}, "inbound_nodes": []}
    if module:
        layer["module"] = WRAPPERS[kind][0]
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [layer]}}
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(UnsupportedError) as raised:
        vet_archive(path)
    assert WRAPPERS[kind][1] in raised.value.remedy
    assert "edge_allow_code" not in raised.value.remedy


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("Input 0 of node model/prune_low_magnitude_dense/AssignVariableOp", "strip_pruning"),
        ("Input 0 of node f/sequential/cluster_dense/AssignVariableOp", "strip_clustering"),
        ("quantize_wrapper_v2", "quantize_scope"),
        ("node model/dense/MatMul: tf.Prune", ""),
        ("my_layers.Quantize, my_layers.Cluster", ""),
    ],
)
def test_what_shows_a_wrapper(text: str, remedy: str) -> None:
    found = unwrapping(text)
    assert remedy in found
    assert bool(found) is bool(remedy)
