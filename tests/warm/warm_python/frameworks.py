"""What processes of the gate import that have to do with frameworks."""

from __future__ import annotations

import atexit
import importlib
import sys
import weakref

from pytest_edgegate.backends.keras.tensorflow import import_keras
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx.model_file import OPSET
from pytest_edgegate.tidy.scratch import SCRATCH
from warm_python import torch_tables

_FRAMEWORKS = ("torch", "litert_torch", "ai_edge_litert.interpreter", "onnx", "scipy.stats")
_LATE = (
    "networkx",
    "onnxscript",
    "tensorflow_model_optimization",
    "tf2onnx.convert",
    "torch.onnx._internal.exporter._core",
    "torch_pruning",
)
"""What frameworks import when they first convert or train: a second in each fork that does."""
_GATE = (
    "session.frameworks.server",
    "workers.serve",
    "backends.keras_qat.work",
    "backends.keras_qat.child",
)
_REGISTRATION = "torch.onnx._internal.exporter._registration"

import_keras()
with held_native_output():
    for name in (*_FRAMEWORKS, *_LATE, *(f"pytest_edgegate.{each}" for each in _GATE)):
        importlib.import_module(name)
    torch_tables.keep()
    importlib.import_module(_REGISTRATION).ONNXRegistry.from_torchlib(opset_version=OPSET)
SCRATCH.remove()  # a fork makes one of its own
# A fork ends sooner without what frameworks would do at their end, for objects of the server's
weakref.finalize._registry.clear()  # type: ignore[attr-defined]
for name, ending in (("torch._dynamo.utils", "dump_compile_times"), ("jax._src.api", "clean_up")):
    if name in sys.modules:
        atexit.unregister(getattr(sys.modules[name], ending))
