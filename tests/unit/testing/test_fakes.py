"""The fakes pass the suite that every backend passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.testing.contract import (
    BackendCase,
    BackendContract,
    CaseData,
    surroundings,
)
from pytest_edgegate.testing.fakes import (
    FAKE_BOARD,
    FAKE_HOST,
    FakeInspector,
    FakeReader,
    FakeRuntime,
    FakeTransform,
    fake_data,
    fake_model,
    fake_samples,
)


class TestPTQ(BackendContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> BackendCase:
        model = tmp_path / "source"
        model.mkdir()
        return BackendCase(
            reader=FakeReader(),
            model=fake_model(model / "m.fake", ptq_wrong=[1, 5]),
            transform=FakeTransform(),
            step=PTQ(20),
            target=FAKE_BOARD,
            data=fake_data(),
            runtimes=(FakeRuntime(""), FakeRuntime("other_wrong")),
            inspector=FakeInspector(),
        )


class TestFloatExport(BackendContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> BackendCase:
        model = tmp_path / "source"
        model.mkdir()
        return BackendCase(
            reader=FakeReader(),
            model=fake_model(model / "m.fake"),
            transform=FakeTransform(),
            step=None,
            target=FAKE_HOST,
            data=fake_data(),
            runtimes=(FakeRuntime(""),),
            inspector=FakeInspector(),
        )


def test_a_fake_answers_the_label_but_on_the_numbers_that_it_lists(tmp_path: Path) -> None:
    x, labels = fake_samples(30)
    path = fake_model(tmp_path / "m.fake", wrong=[2, 7], other_wrong=[9])
    for key, wrong in (("", [2, 7]), ("other_wrong", [2, 7, 9])):
        with FakeRuntime(key).open(path) as runner:
            [scores] = runner.infer((x,))
        assert np.flatnonzero(scores.argmax(axis=1) != labels).tolist() == wrong


@pytest.mark.parametrize("content", ["", "[]", '{"format": "another"}', "{"])
def test_what_is_no_fake(tmp_path: Path, content: str) -> None:
    path = tmp_path / "m.fake"
    path.write_text(content)
    assert FakeReader().recognise(path, surroundings()) is None
    with pytest.raises(InferenceError):
        FakeInspector().describe(path)


@pytest.mark.parametrize("size", [1000, 4000])
def test_an_int8_file_has_a_quarter_of_the_bytes(tmp_path: Path, size: int) -> None:
    out = tmp_path / "out"
    out.mkdir()
    model = FakeReader().recognise(fake_model(tmp_path / "m.fake", bytes=size), surroundings())
    assert model is not None
    data = CaseData(fake_data())
    produced = FakeTransform().apply(model, PTQ(), FAKE_BOARD, data, out)
    assert produced.main.stat().st_size == size // 4
    assert model.path is not None
    assert model.path.stat().st_size == size
