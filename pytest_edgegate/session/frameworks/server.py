"""The framework process, which loads, runs and converts model files: its own side."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.errors import EdgeGateWarning, InferenceError
from pytest_edgegate.core.importing import ImportsTold
from pytest_edgegate.core.ports import (
    ModelReader,
    Runner,
    Runtime,
    SourceModel,
    Surroundings,
    Transform,
)
from pytest_edgegate.core.recipe import STEPS, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.splits import Array
from pytest_edgegate.reading.copies import changed
from pytest_edgegate.session.frameworks.asked_data import Ask, AskedData, asked_sample
from pytest_edgegate.session.intake.foreign_files import ForeignModel, reading
from pytest_edgegate.systems.processes import return_memory
from pytest_edgegate.workers.process import Workers
from pytest_edgegate.workers.serve import imported
from pytest_edgegate.workers.wire import packed

Fields = Mapping[str, Any]
ReplyArrays = tuple[Array, ...]
Reply = tuple[Fields, ReplyArrays]

_KEPT = 4
"""The number of models that stay loaded, as many as the session remembers."""
_LARGE = 20_000_000
"""Bytes of a model that a conversion has several copies of."""
_Place = tuple[str, str, str]
"""A runtime, and the path and the digest of a model that it runs."""


class FrameworkServer:
    """Holds loaded models and open runners, and answers the session's commands."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._models: dict[tuple[str, str], SourceModel] = {}
        self._runners: dict[str, tuple[_Place, Runner]] = {}
        self._idle: dict[_Place, Runner] = {}
        """Closed by the session, but not yet here: the next pass of a model need not trace it."""
        self._names = (f"{os.getpid()}-{number}" for number in count())
        self._commands: Mapping[str, Callable[[Fields, ReplyArrays], Reply]] = {
            "apply": self._apply,
            "check": self._check,
            "inputs": self._inputs,
            "open": self._open,
            "infer": self._infer,
            "infer_raw": self._infer_raw,
            "close": self._close,
        }

    def answer(self, command: str, fields: Fields, arrays: ReplyArrays) -> Reply:
        imports = ImportsTold(self._importing)
        imports.begin()
        try:
            return self._commands[command](fields, arrays)
        finally:
            imports.end()

    @contextmanager
    def _importing(self, package: str) -> Iterator[None]:
        self._ask("importing", package=package)
        yield
        self._ask("importing", package="")

    def _apply(self, fields: Fields, arrays: ReplyArrays) -> Reply:
        self._let_go()
        large = _is_large(self._model(fields["source"]))
        _clear(collects=large)  # a converter needs the memory
        transform: Transform = imported(fields["transform"])
        with warnings.catch_warnings(record=True) as sent:
            warnings.simplefilter("always", EdgeGateWarning)
            made = transform.apply(*self._given(fields), Path(fields["out"]))
        _clear(collects=large)
        warned = [str(each.message) for each in sent if issubclass(each.category, EdgeGateWarning)]
        return {"warned": warned}, (packed(as_plain(made)),)

    def _check(self, fields: Fields, arrays: ReplyArrays) -> Reply:
        transform: Any = imported(fields["transform"])
        transform.check(*self._given(fields))
        return {}, ()

    def _given(self, fields: Fields) -> tuple[SourceModel, Step | None, Target, AskedData]:
        """The arguments of a transform, rebuilt from the message."""
        target = from_plain(Target, fields["target"])
        return self._model(fields["source"]), _step(fields["step"]), target, self._data(fields)

    def _inputs(self, fields: Fields, arrays: ReplyArrays) -> Reply:
        return {"inputs": as_plain(self._model(fields["source"]).load().inputs)}, ()

    def _open(self, fields: Fields, arrays: ReplyArrays) -> Reply:
        source = fields["source"]
        place = (fields["runtime"], source["path"], source["digest"])
        runner = self._idle.pop(place, None) or self._opened(fields)
        name = next(self._names)
        self._runners[name] = (place, runner)
        tensors = {"inputs": as_plain(runner.inputs), "outputs": as_plain(runner.outputs)}
        return {"held": name, **tensors}, ()

    def _opened(self, fields: Fields) -> Runner:
        runtime: Runtime = imported(fields["runtime"])
        model = self._model(fields["source"])
        with reading(fields["source"]["path"]), ExitStack() as stack:
            runner = stack.enter_context(runtime.open(model))
            stack.pop_all()
        return runner

    def _infer(self, fields: Fields, arrays: ReplyArrays) -> Reply:
        return {}, self._runner(fields).infer(arrays)

    def _infer_raw(self, fields: Fields, arrays: ReplyArrays) -> Reply:
        return {}, self._runner(fields).infer_raw(arrays)

    def _runner(self, fields: Fields) -> Runner:
        if fields["held"] not in self._runners:
            raise InferenceError(
                "the process that held the model has ended meanwhile", "run the test again"
            )
        return self._runners[fields["held"]][1]

    def _close(self, fields: Fields, arrays: ReplyArrays) -> Reply:
        if fields["held"] in self._runners:
            place, runner = self._runners.pop(fields["held"])
            self._let_go(place)
            self._idle[place] = runner
        return {}, ()

    def _let_go(self, place: _Place | None = None) -> None:
        """Closes the idle runner of this place, or all of them."""
        for each in [place] if place else list(self._idle):
            runner = self._idle.pop(each, None)
            if runner is not None:
                runner.__exit__(None, None, None)

    def _data(self, fields: Fields) -> AskedData:
        programs = {name: Path(path) for name, path in fields["programs"].items()}
        return AskedData(self._ask, programs, Workers(fields["timeout"]), fields["what"])

    def _model(self, source: Fields) -> SourceModel:
        """The model of a file, recognised and loaded once."""
        key = (source["path"], source["digest"])
        if key not in self._models:
            made = self._recognised(imported(source["reader"]), Path(source["path"]))
            self._let_go()  # of models that were used before
            while len(self._models) >= _KEPT:
                del self._models[next(iter(self._models))]
            self._models[key] = made
        return self._models[key]

    def _recognised(self, reader: ModelReader, path: Path) -> SourceModel:
        with reading(path):
            found = reader.recognise(path, Surroundings(partial(asked_sample, self._ask)))
        if found is None:
            raise changed(path)
        return ForeignModel(found, path)


def _is_large(model: SourceModel) -> bool:
    with suppress(OSError):  # the conversion raises it with its words
        return sum(each.stat().st_size for each in model.files) > _LARGE
    return False


def _clear(*, collects: bool) -> None:
    """Frees what is no longer used. Graphs and sessions of frameworks are cycles, which only the
    collector frees; with a framework loaded it takes as long as to convert a small model."""
    if collects:
        gc.collect()
    return_memory()


def _step(sent: list[Any] | None) -> Step | None:
    if sent is None:
        return None
    name, fields, written = sent
    kinds: dict[str, type[Step]] = {each.__name__: each for each in STEPS}
    return from_plain(kinds[name], fields).as_written(written)
