"""The file of --edge-data."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.dataset import Dataset
from pytest_edgegate.data.npz import read_npz

X = np.random.default_rng(0).random((50, 3)).astype(np.float32)
Y = np.arange(50)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(**arrays: Any) -> Path:
        path = tmp_path / "eval.npz"
        np.savez(path, **arrays)
        return path

    return write


def refusal(path: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        read_npz(path)
    assert path.name in raised.value.message
    assert raised.value.remedy
    return raised.value


def test_samples_to_calibrate_on(save: Callable[..., Path]) -> None:
    found = read_npz(save(x=X, y=Y, x_calibration=X[:5], extra=Y)).data
    np.testing.assert_array_equal(found.calibration, X[:5])
    np.testing.assert_array_equal(found.evaluation[0], X)
    np.testing.assert_array_equal(found.evaluation[1], Y)
    assert found.train is None


def test_samples_to_train_on(save: Callable[..., Path]) -> None:
    found = read_npz(save(x=X, y=Y, x_train=X + 1, y_train=Y)).data
    np.testing.assert_array_equal(found.train[0], X + 1)
    assert found.calibration is None
    assert Dataset(found).calibration(5).origin == "train"
    np.testing.assert_array_equal(read_npz(save(x=X, y=Y, x_train=X)).data.train, X)


def test_without_them_a_fifth_calibrates_and_is_left_out(save: Callable[..., Path]) -> None:
    path = save(x=X, y=Y)
    one, other = read_npz(path).data, read_npz(path).data
    np.testing.assert_array_equal(one.calibration, other.calibration)
    x, y = one.evaluation
    assert (len(one.calibration), len(x), len(y)) == (10, 40, 40)
    np.testing.assert_array_equal(x, X[y])  # labels stay with their samples
    rows = {row.tobytes() for row in (*one.calibration, *x)}
    assert rows == {row.tobytes() for row in X}
    left = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in one.calibration]
    assert sorted(left) != list(range(10))


@pytest.mark.parametrize("count", [2, 3])
def test_of_few_samples_one_calibrates(save: Callable[..., Path], count: int) -> None:
    found = read_npz(save(x=X[:count], y=Y[:count])).data
    assert (len(found.calibration), len(found.evaluation[0])) == (1, count - 1)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": Y}, "has no array 'x'; it has y"),
        ({"x": X}, "has no array 'y'; it has x"),
        ({"a": X}, "has no array 'x'; it has none"),
        ({"x": X, "y": Y[:9]}, "50 samples and 9 labels can't be split"),
        ({"x": X[:1], "y": Y[:1]}, "1 samples and 1 labels can't be split"),
        ({"x": X[:0], "y": Y[:0]}, "can't be split"),
        ({"x": np.array(5), "y": np.array(3)}, "eval.npz"),
        ({"x": X, "y": Y, "y_train": Y}, "x_train"),
        ({"x": np.array([None]), "y": Y}, "can't be read as an .npz file"),
    ],
)
def test_what_is_missing(save: Callable[..., Path], arrays: dict[str, Any], said: str) -> None:
    assert said in refusal(save(**arrays)).message


def test_what_is_no_such_file(tmp_path: Path, save: Callable[..., Path]) -> None:
    whole = save(x=X, y=Y).read_bytes()
    path = tmp_path / "bad.npz"
    assert "can't be read" in refusal(path).message  # does not exist
    for content in (b"", b"nothing of an archive", whole[: len(whole) // 2]):
        path.write_bytes(content)
        assert "can't be read as an .npz file" in refusal(path).message


def test_one_array_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    assert "it holds one array, not named ones" in refusal(tmp_path / "x.npy").message


def test_a_compressed_file_with_a_bit_flipped(tmp_path: Path) -> None:
    path = tmp_path / "eval.npz"
    np.savez_compressed(path, x=np.zeros((500, 3)), y=np.arange(500))
    whole = path.read_bytes()
    for at in range(60, len(whole) // 2, 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with suppress(ConfigurationError):  # and nothing else: some flips leave it readable
            read_npz(path)
