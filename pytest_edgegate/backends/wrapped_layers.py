"""What to do with models whose layers tensorflow-model-optimization has wrapped for a training."""

from __future__ import annotations

import re

_STRIPPED = (
    "take the wrappers off after that training: return tfmot.{kind}(model) from edge_model, or "
    "save that model"
)
_QUANTISED = (
    "give the model as it was before quantize_model, and let QAT() of the recipe train it; or, "
    "where its own training counts, load it within tfmot.quantization.keras.quantize_scope(), "
    "convert it by tf.lite.TFLiteConverter and gate that file by edge_gate.check"
)
_WRAPPERS = (
    (r"prune_?low_?magnitude|pruning_wrapper", "sparsity.keras.strip_pruning"),
    (r"cluster_?weights|cluster_wrapper|cluster_\w+/Assign", "clustering.keras.strip_clustering"),
    (r"quantize_?(wrapper|layer|annota)", ""),
)
"""Patterns of the wrappers' classes and of the names of their layers, and what takes them off."""


def unwrapping(text: str) -> str:
    """The remedy for a model with wrapped layers, as classes or layers in *text* show it.

    Empty if there are none.
    """
    for pattern, kind in _WRAPPERS:
        if re.search(pattern, text, re.IGNORECASE):
            return _STRIPPED.format(kind=kind) if kind else _QUANTISED
    return ""
