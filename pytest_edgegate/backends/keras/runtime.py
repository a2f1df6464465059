"""Keras as a runtime: the reference predictions of the model under test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import numpy as np

from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.description import ExecutedOperator, TensorInfo
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import LoadedModel, Runner, SourceModel
from pytest_edgegate.data.splits import Array


class KerasRuntime:
    """Runs a model under test in float, as its framework does."""

    formats = ("keras", "savedmodel")
    packages = ("tensorflow", "keras", "tf_keras")
    options: Mapping[str, object] = MappingProxyType({})
    opens_files = False

    def open(self, model: Path | SourceModel) -> Runner:
        if isinstance(model, Path):
            raise InferenceError(
                f"{model.name} is no compressed artifact", "give the model as edge_model"
            )
        return KerasRunner(model.load())

    def executed(
        self, model: Path, batch: tuple[Array, ...]
    ) -> tuple[ExecutedOperator, ...] | None:
        return None


class KerasRunner:
    """A loaded model behind one traced function."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._tf = import_tensorflow()
        self._loaded = loaded
        self._function = self._tf.function(loaded.function, input_signature=self._signature(loaded))
        self.inputs = loaded.inputs
        self.outputs = tuple(TensorInfo(name, (), "float32") for name in loaded.outputs)

    def _signature(self, loaded: LoadedModel) -> list[Any] | None:
        """With a free batch as one, so that batches of another size are not traced again."""
        if any(not each.shape or each.shape[0] >= 0 for each in loaded.inputs):
            return None
        return [
            self._tf.TensorSpec([None if size < 0 else size for size in each.shape], each.dtype)
            for each in loaded.inputs
        ]

    def __enter__(self) -> KerasRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._function = None

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        fixed = 1 if self._loaded.reset else self.inputs[0].shape[0]
        if fixed < 0 or fixed == len(batch[0]):
            return self._call(batch)
        parts = [
            self._call(tuple(array[start : start + fixed] for array in batch))
            for start in range(0, len(batch[0]), fixed)
        ]
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self.infer(batch)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        return partial(self.infer, sample)

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
        except Exception as error:  # whatever the model's own layers raise
            raise InferenceError(
                f"the model under test can't run on the evaluation data: {error}",
                "compare the shape of edge_data's x with the model's input",
            ) from error
        return tuple(np.asarray(result, dtype=np.float32) for result in results)


RUNTIME = KerasRuntime()
