"""What processes of the gate import that have to do with frameworks."""

from __future__ import annotations

import importlib

from pytest_edgegate.backends.keras.tensorflow import import_keras
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.tidy.scratch import SCRATCH

_FRAMEWORKS = ("torch", "litert_torch", "ai_edge_litert.interpreter", "onnx", "scipy.stats")
_GATE = ("session.frameworks.server", "workers.serve", "backends.keras_qat.work")

import_keras()
with held_native_output():
    for name in (*_FRAMEWORKS, *(f"pytest_edgegate.{each}" for each in _GATE)):
        importlib.import_module(name)
SCRATCH.remove()  # a fork makes one of its own
