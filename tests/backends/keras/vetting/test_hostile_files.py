"""Files that run code: refused by name, and nothing of them has run."""

from __future__ import annotations

import runpy
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.runtime import RUNTIME
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.testing.contract import surroundings

hostile: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("hostile.py")))
MAKERS = {**hostile["KERAS"], **hostile["SAVED_MODELS"]}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder / "canary"


@pytest.fixture
def model_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules can be imported, as those beside a conftest.py can."""
    made = tmp_path / "model"
    made.mkdir()
    monkeypatch.syspath_prepend(made)
    return made


def has_written(canary: Path) -> bool:
    return any(canary.parent.iterdir())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", MAKERS)
def test_it_is_refused_and_would_have_written(kind: str, model_folder: Path, canary: Path) -> None:
    path = MAKERS[kind](model_folder, canary)
    assert not has_written(canary), "the maker has run it"
    found = READER.recognise(path, surroundings())
    assert found is not None
    with pytest.raises(UnsupportedError) as raised:
        found.load()
    assert "names what is not on the list" in raised.value.message
    assert "edge_allow_code = true" in raised.value.remedy
    assert "return the model object from edge_model" in raised.value.remedy
    assert not has_written(canary)
    run_with_its_code(path)
    assert has_written(canary), "it does no harm even where code is allowed"


def run_with_its_code(path: Path) -> None:
    found = READER.recognise(path, surroundings(allow_code=True))
    assert found is not None
    with suppress(Exception), RUNTIME.open(found) as runner:  # it has done its harm by then
        shapes = [tuple(max(1, size) for size in each.shape) for each in runner.inputs]
        runner.infer(tuple(np.zeros(shape, np.float32) for shape in shapes))
