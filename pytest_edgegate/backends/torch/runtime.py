"""torch as a runtime: the reference predictions of the model under test."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_edgegate.backends.lookups import Lookup, beyond_table
from pytest_edgegate.backends.reference_runtime import ReferenceRuntime
from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.backends.torch.lookups import failed_lookup
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import LoadedModel
from pytest_edgegate.data.runners import Block, FloatRunner, joined
from pytest_edgegate.data.splits import Array

_BLOCK_BYTES = 8_000_000
"""Bytes of inputs per block: activations are much larger."""


class TorchRunner(FloatRunner):
    """A loaded module behind numpy arrays, run in blocks that bound the memory it takes."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._torch = import_torch()
        self._function = loaded.function
        self.inputs = loaded.inputs
        self.outputs = tuple(TensorInfo(name, (), "float32") for name in loaded.outputs)
        self._device = getattr(loaded.function, "device", "cpu")
        self._fixed = self.inputs[0].shape[0] if self.inputs[0].shape else -1
        self._stateful = bool(loaded.stateful)

    def close(self) -> None:
        del self._function

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        size = self._block_size(batch)
        starts = range(0, len(batch[0]), size)
        blocks = (Block.of(batch, start, size, self._fixed) for start in starts)
        return joined([self._call(each) for each in blocks])

    def _block_size(self, batch: tuple[Array, ...]) -> int:
        """Samples at a time: one where the module has a state, which each sample finds new."""
        if self._stateful:
            return 1
        if self._fixed > 0:
            return self._fixed
        sample = sum(array[:1].nbytes for array in batch)
        return max(1, _BLOCK_BYTES // max(sample, 1))

    def _call(self, block: Block) -> tuple[Array, ...]:
        """Outputs of the samples of one block."""
        torch = self._torch
        try:
            results = self._results(block)
        except Exception as error:  # the module's layers may raise anything
            beyond = beyond_table(
                error,
                "the model under test",
                self.inputs,
                block.arrays,
                lambda: self._failed(block),
            )
            if beyond is not None:
                raise beyond from error
            raise InferenceError(
                f"the model under test can't run on the evaluation data: {error}",
                "compare the shape of edge_data's x with what the module's forward takes",
            ) from error
        for each, made in zip(self.outputs, results, strict=True):
            if not made.ndim or len(made) != len(block):
                raise InferenceError(
                    f"the output {each.name!r} has shape {tuple(made.shape)} for "
                    f"{len(block)} samples, not one result for each",
                    "let forward give each output with the samples as its first dimension",
                )
        return tuple(_array(torch, made)[: block.count] for made in results)

    def _results(self, block: Block) -> list[Any]:
        with self._torch.no_grad():
            return list(self._function(*map(self._tensor, block.arrays, self.inputs)))

    def _failed(self, block: Block) -> Lookup:
        return failed_lookup(self._torch, lambda: self._results(block))

    def _tensor(self, array: Array, tensor: TensorInfo) -> Any:
        """A tensor of its own (the array may be read-only), in a dtype that numpy may not have."""
        dtype = "float32" if tensor.dtype == "bfloat16" else tensor.dtype
        copy = self._torch.from_numpy(np.array(array, dtype=dtype))
        return copy.to(device=self._device, dtype=getattr(self._torch, tensor.dtype))


def _array(torch: Any, made: Any) -> Array:
    return np.array(made.detach().to("cpu", torch.float32).numpy(), dtype=np.float32)


RUNTIME = ReferenceRuntime(formats=("torch",), packages=("torch",), runner=TorchRunner)
