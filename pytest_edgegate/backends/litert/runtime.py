"""LiteRT as a runtime: with XNNPACK, and with its reference kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.backends.damaged import damaged
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.not_readable import not_readable
from pytest_edgegate.backends.litert.schema import state_of, with_versions_of_at_most
from pytest_edgegate.backends.litert.signatures import input_names
from pytest_edgegate.backends.lookups import Lookup, beyond_table, in_tables
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tools import needed, said_of
from pytest_edgegate.core.defaults import FileRuntime
from pytest_edgegate.core.description import ModelDescription, TensorInfo
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

THREADS = 1
"""More do not help small models, and with xdist the cores are taken."""
_LONGEST = 2000
"""Characters kept of what the interpreter prints: the operator that it lacks comes late."""
_TABLE_AT = {"GATHER": 0, "EMBEDDING_LOOKUP": 1}
"""Which input of an operator is the table."""
_KEEP_BATCH = (
    "convert the model with its batch dimension kept to the end; one that has none takes samples "
    "of the whole shape of its input"
)


_IN_REFERENCE = {"TILE": 2}
"""The newest versions that the reference kernels are listed with, of operators of which the kernel
itself, the one that XNNPACK falls back to, has newer ones: int8 upsampling of Keras is TILE 3."""


class LiteRTRuntime(FileRuntime):
    """The LiteRT interpreter with one kind of kernels."""

    formats = ("litert",)
    packages = ("ai-edge-litert",)
    title = "LiteRT"
    takes = "a .tflite file"

    def __init__(self, resolver: str) -> None:
        self._resolver = resolver
        self.options = {"threads": THREADS, "kernels": resolver}

    def open_file(self, path: Path) -> Runner:
        return LiteRTRunner(path, self._resolver)


class LiteRTRunner(QuantisingRunner):
    """An interpreter. Samples go through it one static batch at a time.

    A file with free sizes is allocated for the first samples only: at the sizes of 1 that it names
    in their place, a convolution without padding has no output.
    """

    def __init__(self, path: Path, resolver: str) -> None:
        with needed("ai-edge-litert", "a .tflite file", "coral"):
            from ai_edge_litert import interpreter as litert
        self._path = path
        self._litert: Any = litert
        self._kernels = getattr(litert.OpResolverType, resolver)
        self._lowered: bytes | None = None
        if resolver == "BUILTIN_REF":
            refuse_what_aborts(path, INSPECTOR.describe(path), "LiteRT's reference kernels")
            self._lowered = with_versions_of_at_most(path, _IN_REFERENCE)
        self._interpreter: Any = self._opened()
        self._state = state_of(path)
        self._shapes: list[tuple[int, ...]] = []
        """To which the inputs were resized; empty if they were not."""
        self._input_details = self._interpreter.get_input_details()
        self._output_details = self._interpreter.get_output_details()
        named = input_names(path)
        self.inputs = tuple(
            replace(_info(each), placed=False, argument=named.get(each["index"], ""))
            for each in self._input_details
        )
        self.outputs = tuple(map(_info, self._output_details))
        self._batch, self._free = _batch_of(self.inputs)

    def _opened(self) -> Any:
        with held_native_output() as printed:
            try:
                interpreter = self._litert.Interpreter(
                    model_path=None if self._lowered else str(self._path),
                    model_content=self._lowered,
                    num_threads=THREADS,
                    experimental_op_resolver_type=self._kernels,
                )
                if not _waits(tuple(map(_info, interpreter.get_input_details()))):
                    interpreter.allocate_tensors()
                interpreter.get_output_details()  # a graph may name outputs that it does not have
            except (ValueError, RuntimeError, OSError, MemoryError) as error:
                raise _not_opened(self._path, f"{error} {printed.errors()}") from error
        return interpreter

    def close(self) -> None:
        self._interpreter = None

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        if have_no_batch(self.inputs, batch):
            return each_by_itself(self._alone, batch)
        if self._batch < 1:
            return self._whole(batch)
        if self._free:
            return self._resized(batch)
        self._check_batch()
        if self._batch == 1 and not self._state:
            return self._one_by_one(batch)
        return self._in_blocks(batch)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        if have_no_batch(self.inputs, sample):
            feeds = tuple(each[0] for each in self.repeated(sample, 1))
        else:
            feeds = self.repeated(sample, max(self._batch, 1))
        try:
            if self._batch < 1 or self._free:
                self._resize(feeds)
            for each, feed in zip(self._input_details, feeds, strict=True):
                self._interpreter.set_tensor(each["index"], feed)
        except (ValueError, RuntimeError) as error:
            raise self._failed(error) from error
        invoke: Callable[[], object] = self._interpreter.invoke
        return invoke

    def _one_by_one(self, feeds: Sequence[Array]) -> tuple[Array, ...]:
        """The hot loop. Views of the interpreter's tensors spare two copies a sample."""
        count = len(feeds[0])
        results = [self._room(count, each) for each in self._output_details]
        interpreter = self._interpreter
        ins = [interpreter.tensor(each["index"]) for each in self._input_details]
        outs = [interpreter.tensor(each["index"]) for each in self._output_details]
        invoke = interpreter.invoke
        try:
            if len(ins) == len(outs) == 1:
                view_in, view_out, feed, result = ins[0], outs[0], feeds[0], results[0]
                for index in range(count):
                    view_in()[0] = feed[index]
                    invoke()
                    result[index] = view_out()[0]
                return (result,)
            for index in range(count):
                for view, feed in zip(ins, feeds, strict=True):
                    view()[0] = feed[index]
                invoke()
                for view, result in zip(outs, results, strict=True):
                    result[index] = view()[0]
        except (ValueError, RuntimeError) as error:
            raise self._failed(error, feeds) from error
        return tuple(results)

    def _in_blocks(self, feeds: Sequence[Array]) -> tuple[Array, ...]:
        """A static batch above 1: the last block is filled up by repeating its last sample.

        A model that keeps state goes this way too, whatever its batch.
        """
        count = len(feeds[0])
        results = [self._room(count, each) for each in self._output_details]
        for start in range(0, count, self._batch):
            self._forget()
            block = Block.of(feeds, start, self._batch, self._batch)
            for result, made in zip(results, self._invoke(block.arrays), strict=True):
                result[start : start + block.count] = made[: block.count]
        return tuple(results)

    def _check_batch(self) -> None:
        """Refuses outputs of which the first axis is not that of the samples."""
        for each in self.outputs:
            if not each.shape or (each.shape[0] > 0 and each.shape[0] != self._batch):
                raise not_per_sample(self._path, each.name, each.shape, _KEEP_BATCH)

    def _alone(self, sample: tuple[Array, ...]) -> tuple[Array, ...]:
        """The outputs of one sample in a file without a batch axis."""
        self._forget()
        try:
            self._resize_if_free(sample)
        except (ValueError, RuntimeError) as error:
            raise self._failed(error) from error
        return self._invoke(sample)

    def _resized(self, feeds: Sequence[Array]) -> tuple[Array, ...]:
        """A fixed batch of samples whose other sizes are free, and that of the samples at hand."""
        parts = []
        for start in range(0, len(feeds[0]), self._batch):
            block = Block.of(feeds, start, self._batch, self._batch)
            made = self._alone(block.arrays)
            check_per_sample(self._path, self.outputs, made, self._batch, _KEEP_BATCH)
            parts.append([each[: block.count] for each in made])
        return joined(parts)

    def _resize_if_free(self, feeds: Sequence[Array]) -> None:
        """Only to another size than before: that prepares the whole graph again."""
        shapes = [each.shape for each in feeds]
        if any(-1 in each.shape for each in self.inputs) and shapes != self._shapes:
            self._resize(feeds)
            self._shapes = shapes

    def _whole(self, feeds: Sequence[Array]) -> tuple[Array, ...]:
        """A free batch: the interpreter is resized to what it is given."""
        self._forget()
        try:
            self._resize(feeds)
        except (ValueError, RuntimeError) as error:
            raise self._failed(error) from error
        results = self._invoke(feeds)
        check_per_sample(self._path, self.outputs, results, len(feeds[0]), _KEEP_BATCH)
        return results

    def _resize(self, feeds: Sequence[Array]) -> None:
        self._shapes = []
        for each, feed in zip(self._input_details, feeds, strict=True):
            self._interpreter.resize_tensor_input(each["index"], feed.shape)
        self._interpreter.allocate_tensors()

    def _forget(self) -> None:
        """Makes the next call the first one. Resources outlive even a reset: a new interpreter."""
        if self._state == "resources":
            self._interpreter = self._opened()
            self._shapes = []
        elif self._state:
            self._interpreter.reset_all_variables()

    def _invoke(self, feeds: Sequence[Array]) -> tuple[Array, ...]:
        try:
            for each, feed in zip(self._input_details, feeds, strict=True):
                self._interpreter.set_tensor(each["index"], feed)
            self._interpreter.invoke()
            return tuple(
                self._interpreter.get_tensor(each["index"]) for each in self._output_details
            )
        except (ValueError, RuntimeError) as error:
            raise self._failed(error, feeds) from error

    def _room(self, count: int, detail: Any) -> Array:
        shape = (count, *(int(size) for size in detail["shape"][1:]))
        return np.empty(shape, detail["dtype"])

    def _failed(self, error: Exception, feeds: Sequence[Array] = ()) -> InferenceError:
        beyond = (
            beyond_table(error, self._path.name, self.inputs, feeds, lambda: self._looked_up(feeds))
            if feeds
            else None
        )
        if beyond is not None:
            return beyond
        lacking = not_readable(self._path, said_of(self._path, error, _LONGEST))
        return lacking or InferenceError(
            f"{self._path.name} opens but does not run: {said_of(self._path, error)}",
            "open it in a model viewer at the operator that is named, and convert it again",
        )

    def _looked_up(self, feeds: Sequence[Array]) -> Lookup:
        return in_tables(_tables(self._path), feeds)


def _tables(path: Path) -> list[int]:
    """How many rows each table of vectors has that something is looked up in."""
    operators = INSPECTOR.describe(path).operators
    found = [each.inputs[_TABLE_AT[each.kind]] for each in operators if each.kind in _TABLE_AT]
    return [each.shape[0] for each in found if each is not None and len(each.shape) == 2]


def _not_opened(path: Path, reason: str) -> InferenceError:
    reason = said_of(path, reason, _LONGEST)
    return not_readable(path, reason) or damaged(path, reason)


def refuse_what_aborts(path: Path, described: ModelDescription, kernels: str) -> None:
    """Reference kernels end the process on a quantised softmax of next to no input scale.

    They ask for a multiplier above 1, ``beta * scale * 2^26`` (tensorflow/lite/kernels/internal,
    QuantizeMultiplierGreaterThanOne), and abort where it is not.
    """
    for each in described.operators:
        tensor = each.inputs[0] if each.inputs else None
        if each.kind not in ("SOFTMAX", "LOG_SOFTMAX") or tensor is None or not tensor.scales:
            continue
        beta = each.option("beta", 1.0)
        if float(str(beta)) * tensor.scales[0] * 2**26 <= 1:
            raise InferenceError(
                f"{path.name}: {each.name} has the input scale {tensor.scales[0]:.3g}, which "
                f"{kernels} can't run",
                "look at the layer before it: its outputs hardly differ from 0",
            )


def _batch_of(inputs: Sequence[TensorInfo]) -> tuple[int, bool]:
    """(the batch of a file's *inputs*, -1 if it is free; whether other sizes are free)."""
    batch = inputs[0].shape[0] if inputs and inputs[0].shape else 1
    return batch, any(-1 in each.shape[1:] for each in inputs)


def _waits(inputs: Sequence[TensorInfo]) -> bool:
    """Whether all samples resize a file with these *inputs*, so that it can wait for the first."""
    batch, free = _batch_of(inputs)
    return free or batch < 1


def _info(detail: Any) -> TensorInfo:
    signature = detail["shape_signature"]
    shape = detail["shape"] if len(signature) == 0 else signature
    parameters = detail["quantization_parameters"]
    return TensorInfo(
        name=str(detail["name"]),
        shape=tuple(int(size) for size in shape),
        dtype=np.dtype(detail["dtype"]).name,
        scales=tuple(float(each) for each in parameters["scales"]),
        zero_points=tuple(int(each) for each in parameters["zero_points"]),
    )


XNNPACK = LiteRTRuntime("AUTO")
REFERENCE = LiteRTRuntime("BUILTIN_REF")
