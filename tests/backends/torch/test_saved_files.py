"""Files of torch.save are refused with lines that really make a program of them."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch.reader import READER
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.testing.contract import surroundings


def lines_for(path: Path) -> str:
    with pytest.raises(UnsupportedError) as raised:
        READER.recognise(path, surroundings())
    return raised.value.remedy.partition("\n\n")[2]


@pytest.fixture
def module(torch: ModuleType) -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())


def save(torch: ModuleType, module: Any, path: Path, kind: str) -> None:
    state = module.state_dict()
    with held_native_output():
        if kind == "whole module":
            torch.save(module, path)
        elif kind == "TorchScript":
            torch.jit.trace(module, torch.zeros(1, 3)).save(path)
        elif kind == "old":
            torch.save(state, path, _use_new_zipfile_serialization=False)
        elif kind == "checkpoint":
            torch.save({"epoch": 3, "state_dict": state, "optimizer": {}}, path)
        else:
            torch.save(state, path)


@pytest.mark.parametrize("kind", ["weights", "whole module", "TorchScript", "old", "checkpoint"])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".PT"])
def test_the_lines_work(
    torch: ModuleType,
    module: Any,
    tmp_path: Path,
    kind: str,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / f"mine{suffix}"
    save(torch, module, path, kind)
    lines = lines_for(path)
    if suffix != ".pt":
        return
    monkeypatch.chdir(tmp_path)

    def fresh() -> Any:
        return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())

    x = torch.randn(2, 3)
    with held_native_output():
        exec(lines, {"MyModel": fresh, "x": x})
    model = READER.recognise(tmp_path / "mine.pt2", surroundings())
    assert model is not None
    with torch.no_grad():
        [made] = model.load().function(x)
        assert torch.equal(made, module(x))


def test_what_runs_code_is_told(torch: ModuleType, module: Any, tmp_path: Path) -> None:
    save(torch, module, tmp_path / "mine.pt", "whole module")
    with pytest.raises(UnsupportedError, match=r"a pickle that runs code \(torch\.nn"):
        READER.recognise(tmp_path / "mine.pt", surroundings())


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> Any:
            return (open, (str(marker), "w"))

    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil()))
    lines_for(tmp_path / "evil.pt")
    assert not marker.exists()


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".pt2"])
def test_other_zip_files(tmp_path: Path, suffix: str) -> None:
    import zipfile

    path = tmp_path / f"other{suffix}"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("notes.txt", "nothing of a model")
    if suffix == ".pt2":
        return
    assert READER.recognise(path, surroundings()) is None


def test_other_files_of_the_name_bin(tmp_path: Path) -> None:
    (tmp_path / "firmware.bin").write_bytes(bytes(100))
    assert READER.recognise(tmp_path / "firmware.bin", surroundings()) is None
