"""LiteRT-Micro as a runtime, with its reference kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.schema import state_of
from pytest_edgegate.backends.tflite_micro.importing import PACKAGE
from pytest_edgegate.backends.tflite_micro.interpreter import (
    TITLE,
    ArenaTooSmallError,
    Opened,
    check,
    in_large_arena,
)
from pytest_edgegate.core.defaults import FileRuntime
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.runners import (
    Block,
    QuantisingRunner,
    check_per_sample,
    each_by_itself,
    have_no_batch,
    joined,
    not_per_sample,
)
from pytest_edgegate.data.splits import Array

_KEEP_BATCH = "convert the model with its batch dimension kept to the end, and a batch of 1"


class MicroRuntime(FileRuntime):
    """The interpreter with all operators that its Python package registers."""

    formats = ("litert",)
    packages = (PACKAGE,)
    title = TITLE
    takes = "a .tflite file"

    def open_file(self, path: Path) -> Runner:
        return MicroRunner(path)


class MicroRunner(QuantisingRunner):
    """An interpreter. Samples go through it one static batch at a time."""

    def __init__(self, path: Path) -> None:
        described = INSPECTOR.describe(path)
        check(path, described)
        self._path = path
        self._opened: Opened | None = in_large_arena(
            path, described, lambda arena: Opened(path, arena)
        )
        self._keeps_state = bool(state_of(path))
        interpreter: Any = self._opened.interpreter
        self.inputs = _ends(described.inputs, interpreter.get_input_details)
        self.outputs = _ends(described.outputs, interpreter.get_output_details)

    def close(self) -> None:
        self._opened = None

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        if have_no_batch(self.inputs, batch):
            return each_by_itself(self._called, batch)
        size = max(self.inputs[0].shape[0] if self.inputs[0].shape else 1, 1)
        if size == 1 and not self._keeps_state:
            return self._one_by_one(batch)
        parts = []
        for start in range(0, len(batch[0]), size):
            block = Block.of(batch, start, size, size)
            made = self._called(block.arrays)
            check_per_sample(self._path, self.outputs, made, size, _KEEP_BATCH)
            parts.append(tuple(each[: block.count] for each in made))
        return joined(parts)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        if have_no_batch(self.inputs, sample):
            feeds = tuple(each[0] for each in self.repeated(sample, 1))
        else:
            feeds = self.repeated(sample, max(self.inputs[0].shape[0], 1))
        self._feed(feeds)
        return self._interpreter.interpreter.invoke  # type: ignore[no-any-return]

    def _one_by_one(self, feeds: Sequence[Array]) -> tuple[Array, ...]:
        """The hot loop. What goes wrong in it is told by a call of its own."""
        for each in self.outputs:
            if not each.shape or each.shape[0] != 1:
                raise not_per_sample(self._path, each.name, each.shape, _KEEP_BATCH)
        count, interpreter = len(feeds[0]), self._interpreter.interpreter
        results = [np.empty((count, *each.shape[1:]), each.dtype) for each in self.outputs]
        set_input, invoke, get_output = (
            interpreter.set_input,
            interpreter.invoke,
            interpreter.get_output,
        )
        fed = [np.ascontiguousarray(each) for each in feeds]
        try:
            for index in range(count):
                for at, feed in enumerate(fed):
                    set_input(feed[index : index + 1], at)
                invoke()
                for at, result in enumerate(results):
                    result[index] = get_output(at)[0]
        except (ValueError, RuntimeError):
            self._called([each[index : index + 1] for each in fed])
            raise
        return tuple(results)

    @property
    def _interpreter(self) -> Opened:
        assert self._opened is not None  # closed runners are not called
        return self._opened

    def _called(self, feeds: Sequence[Array]) -> tuple[Array, ...]:
        if self._keeps_state:
            self._interpreter.interpreter.reset()
        self._feed(feeds)
        try:
            self._interpreter.invoke()
        except ArenaTooSmallError as error:
            raise InferenceError(
                f"{self._path.name} opens in {TITLE} but runs out of memory", "make it again"
            ) from error
        get = self._interpreter.interpreter.get_output
        return tuple(np.array(get(at)) for at in range(len(self.outputs)))

    def _feed(self, feeds: Sequence[Array]) -> None:
        try:
            for at, feed in enumerate(feeds):
                self._interpreter.interpreter.set_input(np.ascontiguousarray(feed), at)
        except (ValueError, RuntimeError) as error:
            shapes = ", ".join(str(each.shape) for each in self.inputs)
            raise InferenceError(
                f"{self._path.name} in {TITLE} takes inputs of the shapes {shapes}: {error}",
                "give samples of these shapes",
            ) from error


def _ends(described: Sequence[TensorInfo], details: Callable[[int], Any]) -> tuple[TensorInfo, ...]:
    """Inputs or outputs in the sizes of the interpreter, which has no free ones."""
    return tuple(
        replace(each, shape=tuple(int(size) for size in details(at)["shape"]))
        for at, each in enumerate(described)
    )


RUNTIME = MicroRuntime()
