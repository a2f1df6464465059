"""Keras as a runtime: the reference predictions of the model under test."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_edgegate.backends.keras.ids import with_ids
from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
from pytest_edgegate.backends.lookups import beyond_table
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.reference_runtime import ReferenceRuntime
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import LoadedModel
from pytest_edgegate.data.runners import (
    Block,
    FloatRunner,
    each_by_itself,
    have_no_batch,
    joined,
)
from pytest_edgegate.data.splits import Array


class KerasRunner(FloatRunner):
    """A loaded model behind one traced function."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._tf = import_tensorflow()
        self._loaded = loaded
        signature = self._signature(loaded)
        self._function = self._tf.function(loaded.function, input_signature=signature)
        self.inputs = loaded.inputs if signature is None else self._with_ids(loaded)
        self.outputs = tuple(TensorInfo(name, (), "float32") for name in loaded.outputs)

    def _with_ids(self, loaded: LoadedModel) -> tuple[TensorInfo, ...]:
        """The inputs, after the trace that the first batch needs anyway."""
        if not any(each.dtype.startswith(("float", "bfloat")) for each in loaded.inputs):
            return loaded.inputs
        try:
            with held_native_output():
                traced = self._function.get_concrete_function()
        except Exception:  # noqa: BLE001 - of the model's layers: the first batch raises it again
            return loaded.inputs
        return with_ids(loaded.inputs, traced)

    def _signature(self, loaded: LoadedModel) -> list[Any] | None:
        """With a free batch as one, so that batches of another size are not traced again."""
        if any(not each.shape or each.shape[0] >= 0 for each in loaded.inputs):
            return None
        return [
            self._tf.TensorSpec([None if size < 0 else size for size in each.shape], each.dtype)
            for each in loaded.inputs
        ]

    def close(self) -> None:
        self._function = None

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        if have_no_batch(self.inputs, batch):
            return each_by_itself(self._call, batch)
        fixed = 1 if self._loaded.reset else self.inputs[0].shape[0]
        if fixed < 0 or fixed == len(batch[0]):
            return self._call(batch)
        starts = range(0, len(batch[0]), fixed)
        blocks = (Block.of(batch, start, fixed) for start in starts)
        return joined([self._call(each.arrays) for each in blocks])

    def _call(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        tensors = [
            self._tf.constant(np.ascontiguousarray(array), dtype=each.dtype)
            for array, each in zip(batch, self.inputs, strict=True)
        ]
        if self._loaded.reset:
            self._loaded.reset()
        try:
            with held_native_output():
                results: list[Any] = self._function(*tensors)
        except Exception as error:  # the model's layers may raise anything
            beyond = beyond_table(error, "the model under test", self.inputs, batch)
            if beyond is not None:
                raise beyond from error
            raise InferenceError(
                f"the model under test can't run on the evaluation data: {error}",
                "compare the shape of edge_data's x with the model's input",
            ) from error
        made = tuple(np.asarray(result, dtype=np.float32) for result in results)
        for each, array in zip(self.outputs, made, strict=True):
            if not array.ndim or len(array) != len(batch[0]):
                raise InferenceError(
                    f"the output {each.name!r} has shape {array.shape} for {len(batch[0])} "
                    "samples, not one result for each",
                    "let the model give each output with the samples as its first dimension",
                )
        return made


RUNTIME = ReferenceRuntime(
    formats=("keras", "savedmodel"),
    packages=("tensorflow", "keras", "tf_keras"),
    runner=KerasRunner,
)
