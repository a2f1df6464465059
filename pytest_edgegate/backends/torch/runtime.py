"""torch as a runtime: the reference predictions of the model under test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import numpy as np

from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.core.description import ExecutedOperator, TensorInfo
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import LoadedModel, Runner, SourceModel
from pytest_edgegate.data.splits import Array

_BLOCK_BYTES = 8_000_000
"""Of inputs at a time: activations are many times larger."""


class TorchRuntime:
    """Runs a module under test in float, on the device where its weights are."""

    formats = ("torch",)
    packages = ("torch",)
    options: Mapping[str, object] = MappingProxyType({})

    def open(self, model: Path | SourceModel) -> Runner:
        if isinstance(model, Path):
            raise InferenceError(
                f"{model.name} is no compressed artifact", "give the model as edge_model"
            )
        return TorchRunner(model.load())

    def executed(
        self, model: Path, batch: tuple[Array, ...]
    ) -> tuple[ExecutedOperator, ...] | None:
        return None


class TorchRunner:
    """A loaded module behind numpy arrays."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._torch = import_torch()
        self._program = loaded.framework_model
        self._function = loaded.function
        self.inputs = loaded.inputs
        self.outputs = tuple(TensorInfo(name, (), "float32") for name in loaded.outputs)
        self._device = next((each.device for each in self._program.state_dict.values()), "cpu")
        self._fixed = self.inputs[0].shape[0] if self.inputs[0].shape else -1
        self._stateful = bool(self._program.graph_signature.buffers_to_mutate)

    def __enter__(self) -> TorchRunner:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:  # fmt: skip
        del self._function

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        count = len(batch[0])
        size = self._block(batch)
        parts = [
            self._call(tuple(array[start : start + size] for array in batch))
            for start in range(0, count, size)
        ]
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self.infer(batch)

    def _block(self, batch: tuple[Array, ...]) -> int:
        if self._stateful:
            return 1
        if self._fixed > 0:
            return self._fixed
        sample = sum(array[:1].nbytes for array in batch)
        return max(1, _BLOCK_BYTES // max(sample, 1))

    def _call(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        torch = self._torch
        tensors = [
            torch.from_numpy(np.array(array, dtype=each.dtype)).to(self._device)
            for array, each in zip(batch, self.inputs, strict=True)
        ]
        try:
            with torch.inference_mode():
                results: list[Any] = list(self._function(*tensors))
        except Exception as error:  # whatever the module's own layers raise
            raise InferenceError(
                f"the model under test can't run on the evaluation data: {error}",
                "compare the shape of edge_data's x with what the module's forward takes",
            ) from error
        return tuple(
            np.array(each.to("cpu", torch.float32).numpy(), dtype=np.float32) for each in results
        )


RUNTIME = TorchRuntime()
