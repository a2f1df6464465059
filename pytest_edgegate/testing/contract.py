"""The test suite for backends: subclass it and define a case.

::

    class TestMyBackend(BackendContract):
        @pytest.fixture
        def case(self, tmp_path):
            return BackendCase(model=..., transform=..., ...)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pytest_edgegate.core.data import EdgeData
from pytest_edgegate.core.errors import EdgeGateError, InferenceError
from pytest_edgegate.core.layout import AS_THE_MODEL, Layout
from pytest_edgegate.core.ports import (
    Inspector,
    ModelReader,
    Produced,
    Runtime,
    SourceModel,
    Surroundings,
    Transform,
)
from pytest_edgegate.core.progress import Progress, silent
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.training import EdgeTraining
from pytest_edgegate.data.dataset import Dataset
from pytest_edgegate.data.laid_out import LaidOutRunner
from pytest_edgegate.data.training_loop import Teacher
from pytest_edgegate.reading.copies import PrivateCopy
from pytest_edgegate.session.leg_data import LegData
from pytest_edgegate.workers.process import Workers


@dataclass(frozen=True)
class BackendCase:
    """A backend with the inputs for its tests."""

    reader: ModelReader
    model: object
    """A model that ``reader`` recognises: an object or a Path."""
    transform: Transform
    step: Step | None
    target: Target
    data: EdgeData
    """With calibration and evaluation samples."""
    runtimes: Sequence[Runtime]
    """The runtime for the files that ``transform`` writes."""
    inspector: Inspector


class BackendContract:
    """The guarantees that the gate relies on."""

    @pytest.fixture
    def case(self) -> BackendCase:
        raise NotImplementedError("override the fixture 'case'")

    @pytest.fixture
    def produced(self, case: BackendCase, tmp_path: Path) -> Produced:
        return self._make(case, tmp_path)

    def _model(self, case: BackendCase) -> SourceModel:
        model = case.reader.recognise(case.model, surroundings(case.data))
        assert model is not None
        return model

    def _make(self, case: BackendCase, out: Path) -> Produced:
        return case.transform.apply(
            self._model(case), case.step, case.target, CaseData(case.data), out
        )

    def test_reader_leaves_foreign_things_alone(self, case: BackendCase, tmp_path: Path) -> None:
        foreign = tmp_path / "notes.txt"
        foreign.write_text("nothing of a model\n")
        assert case.reader.recognise(foreign, surroundings(case.data)) is None
        assert case.reader.recognise(tmp_path, surroundings(case.data)) is None
        assert case.reader.recognise(object(), surroundings(case.data)) is None

    def test_digest_is_stable(self, case: BackendCase) -> None:
        one, other = self._model(case), self._model(case)
        assert one.digest() == other.digest()
        assert len(one.digest()) == 64

    def test_a_model_of_files_lists_them(self, case: BackendCase) -> None:
        model = self._model(case)
        assert bool(model.files) == (model.path is not None)
        assert all(file.is_file() for file in model.files)

    def test_a_copy_of_its_files_is_the_same_model(self, case: BackendCase, tmp_path: Path) -> None:
        """The gate runs private copies of third-party files."""
        model = self._model(case)
        if model.path is None:
            return  # a live object
        copy = PrivateCopy(model.path, model.files, lambda name: new_folder(tmp_path / name))
        again = case.reader.recognise(copy.path, surroundings(case.data))
        assert again is not None
        assert (again.digest(), again.node) == (model.digest(), model.node)
        assert (again.name, again.files) == (model.name, copy.files)

    def test_moves_start_from_the_model(self, case: BackendCase) -> None:
        kind = None if case.step is None else type(case.step)
        source = self._model(case).node
        assert any(move.source == source and move.step is kind for move in case.transform.moves)

    def test_writes_only_where_it_was_told(self, produced: Produced, tmp_path: Path) -> None:
        assert produced.main in produced.files
        for file in produced.files:
            assert file.is_file()
            assert tmp_path in file.parents

    def test_the_same_input_gives_the_same_bytes(
        self, case: BackendCase, produced: Produced, tmp_path: Path
    ) -> None:
        out = tmp_path / "again"
        out.mkdir()
        again = self._make(case, out)
        assert [each.name for each in again.files] == [each.name for each in produced.files]
        for one, other in zip(again.files, produced.files, strict=True):
            assert one.read_bytes() == other.read_bytes(), one.name

    def test_every_runtime_gives_an_output_for_every_sample(
        self, case: BackendCase, produced: Produced
    ) -> None:
        inputs = _inputs(case.data, 5)
        for runtime in case.runtimes:
            with _opened(runtime, produced) as runner:
                outputs = runner.infer(inputs)
                assert len(outputs) == len(runner.outputs)
                assert all(len(output) == 5 for output in outputs)
                assert all(np.isfinite(output).all() for output in outputs)

    def test_a_batch_is_its_samples_one_by_one(self, case: BackendCase, produced: Produced) -> None:
        inputs = _inputs(case.data, 5)
        for runtime in case.runtimes:
            with _opened(runtime, produced) as runner:
                whole = runner.infer(inputs)
                for at in range(5):
                    alone = runner.infer(tuple(array[at : at + 1] for array in inputs))
                    for one, all_of_them in zip(alone, whole, strict=True):
                        # Kernels may add up floats in another order for another batch
                        np.testing.assert_allclose(one[0], all_of_them[at], rtol=1e-4, atol=1e-5)

    def test_raw_outputs_are_in_the_dtypes_of_the_file(
        self, case: BackendCase, produced: Produced
    ) -> None:
        for runtime in case.runtimes:
            with runtime.open(produced.main) as runner:
                raw = runner.infer_raw(
                    tuple(
                        np.zeros((1, *(max(size, 1) for size in each.shape[1:])), each.dtype)
                        for each in runner.inputs
                    )
                )
                assert [each.dtype.name for each in raw] == [each.dtype for each in runner.outputs]

    def test_a_timed_call_runs_and_changes_nothing(
        self, case: BackendCase, produced: Produced
    ) -> None:
        inputs = _inputs(case.data, 3)
        for runtime in case.runtimes:
            with _opened(runtime, produced) as runner:
                before = [array.copy() for array in runner.infer(inputs)]
                call = runner.once(tuple(array[:1] for array in inputs))
                for _ in range(3):
                    call()
                for one, other in zip(before, runner.infer(inputs), strict=True):
                    np.testing.assert_array_equal(one, other)

    def test_outputs_are_the_callers_own(self, case: BackendCase, produced: Produced) -> None:
        inputs = _inputs(case.data, 2)
        with _opened(case.runtimes[0], produced) as runner:
            first = runner.infer(tuple(array[:1] for array in inputs))
            kept = [array.copy() for array in first]
            runner.infer(tuple(array[1:2] for array in inputs))
            for array, copy in zip(first, kept, strict=True):
                np.testing.assert_array_equal(array, copy)

    def test_inspector_and_runner_see_the_same_ends(
        self, case: BackendCase, produced: Produced
    ) -> None:
        described = case.inspector.describe(produced.main)
        with case.runtimes[0].open(produced.main) as runner:
            assert [each.dtype for each in described.outputs] == [
                each.dtype for each in runner.outputs
            ]
            assert len(described.inputs) == len(runner.inputs)

    @pytest.mark.parametrize("damage", ["empty", "cut short", "noise"])
    def test_a_damaged_file_is_an_error_of_ours(
        self, case: BackendCase, produced: Produced, tmp_path: Path, damage: str
    ) -> None:
        content = produced.main.read_bytes()
        folder = tmp_path / "damaged"
        folder.mkdir()
        for file in produced.files:
            (folder / file.name).write_bytes(file.read_bytes())
        damaged = folder / produced.main.name
        noise = np.random.default_rng(0).bytes(len(content))
        damaged.write_bytes(
            {"empty": b"", "cut short": content[: len(content) // 2], "noise": noise}[damage]
        )
        for runtime in case.runtimes:
            with pytest.raises(InferenceError) as raised:
                runtime.open(damaged)
            _ends_with_a_remedy(raised.value)
        with pytest.raises(InferenceError) as raised:
            case.inspector.describe(damaged)
        _ends_with_a_remedy(raised.value)


class CaseData(LegData):
    """``TransformData`` of an EdgeData, for running a transform without a session."""

    def __init__(
        self,
        data: EdgeData,
        layout: Layout = AS_THE_MODEL,
        *,
        training: EdgeTraining | None = None,
        teacher: Teacher | None = None,
        progress: Progress = silent,
    ) -> None:
        super().__init__(
            Dataset(data),
            training or EdgeTraining(),
            layout,
            teacher,
            hire=lambda entry: Workers(timeout=120.0).hire(entry, entry),
            progress=progress,
        )

    def program(self, name: str) -> Path:
        raise NotImplementedError(f"the case gives no program {name}")


def new_folder(path: Path) -> Path:
    path.mkdir()
    return path


def surroundings(data: EdgeData | None = None, *, allow_code: bool = False) -> Surroundings:
    """The context for a reader, for running it without a session."""
    return Surroundings(Dataset(data or EdgeData()).example, allow_code)


def _opened(runtime: Runtime, produced: Produced) -> LaidOutRunner:
    return LaidOutRunner(runtime.open(produced.main), produced.layout)


def _inputs(data: EdgeData, count: int) -> tuple[np.ndarray, ...]:
    batch = next(iter(Dataset(data).evaluation.batches(count)))
    return tuple(array[:count] for array in batch.inputs)


def _ends_with_a_remedy(error: EdgeGateError) -> None:
    lines = str(error).splitlines()
    assert lines[0].startswith("edgegate error: ")
    assert lines[-1] == error.remedy.splitlines()[-1]
