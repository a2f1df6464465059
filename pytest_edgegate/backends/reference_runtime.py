"""Runtimes of models under test, which run models loaded by a framework and open no files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_edgegate.core.defaults import RuntimeDefaults
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import LoadedModel, MayOnlyRun, Runner, SourceModel


class ReferenceRuntime(RuntimeDefaults):
    """Runs a model under test in float, as its framework does; *runner* makes it a ``Runner``."""

    opens_files = False

    def __init__(
        self,
        formats: Sequence[str],
        packages: Sequence[str],
        runner: Callable[[LoadedModel], Runner],
    ) -> None:
        self.formats = tuple(formats)
        self.packages = tuple(packages)
        self._runner = runner

    def open(self, model: Path | SourceModel) -> Runner:
        if isinstance(model, Path):
            raise InferenceError(
                f"{model.name} is not a compressed artifact", "give the model as edge_model"
            )
        return self._runner(model.runnable() if isinstance(model, MayOnlyRun) else model.load())
