"""torch as a runtime: the reference predictions of the model under test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
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
    opens_files = False

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
    """A loaded module behind numpy arrays, run in blocks that bound the memory it takes."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._torch = import_torch()
        self._function = loaded.function
        self.inputs = loaded.inputs
        self.outputs = tuple(TensorInfo(name, (), "float32") for name in loaded.outputs)
        self._device = getattr(loaded.function, "device", "cpu")
        self._fixed = self.inputs[0].shape[0] if self.inputs[0].shape else -1
        self._stateful = bool(loaded.stateful)

    def __enter__(self) -> TorchRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        return partial(self.infer, sample)

    def _block(self, batch: tuple[Array, ...]) -> int:
        """Samples at a time: one where the module has a state, which each sample finds new."""
        if self._stateful:
            return 1
        if self._fixed > 0:
            return self._fixed
        sample = sum(array[:1].nbytes for array in batch)
        return max(1, _BLOCK_BYTES // max(sample, 1))

    def _call(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """Outputs of one block; where the batch is fixed, the block is filled up to it."""
        torch, count = self._torch, len(batch[0])
        missing = max(self._fixed - count, 0)
        if missing:
            batch = tuple(
                np.concatenate([each, np.repeat(each[-1:], missing, 0)]) for each in batch
            )
        try:
            with torch.no_grad():
                results = list(self._function(*map(self._tensor, batch, self.inputs)))
        except Exception as error:  # whatever the module's own layers raise
            raise InferenceError(
                f"the model under test can't run on the evaluation data: {error}",
                "compare the shape of edge_data's x with what the module's forward takes",
            ) from error
        for each, made in zip(self.outputs, results, strict=True):
            if not made.ndim or len(made) != count + missing:
                raise InferenceError(
                    f"the output {each.name!r} has shape {tuple(made.shape)} for "
                    f"{count + missing} samples, not one result for each",
                    "let forward give each output with the samples as its first dimension",
                )
        return tuple(_array(torch, made)[:count] for made in results)

    def _tensor(self, array: Array, tensor: TensorInfo) -> Any:
        """A tensor of its own (the array may be read-only), in a dtype that numpy may not have."""
        dtype = "float32" if tensor.dtype == "bfloat16" else tensor.dtype
        copy = self._torch.from_numpy(np.array(array, dtype=dtype))
        return copy.to(device=self._device, dtype=getattr(self._torch, tensor.dtype))


def _array(torch: Any, made: Any) -> Array:
    return np.array(made.detach().to("cpu", torch.float32).numpy(), dtype=np.float32)


RUNTIME = TorchRuntime()
