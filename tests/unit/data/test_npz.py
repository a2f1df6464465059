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
        ({"a": X}, "has no array 'x'; it has a"),
        ({"x_test": X}, "has no array 'y_test'; it has x_test"),
        ({"x": X, "y_test": Y}, "has no array 'y'; it has x, y_test"),
        ({"x": X, "x.left": X, "y": Y}, "has x and x.left"),
        ({"x.left": X, "x.right": X[:4], "y": Y}, "differ in their length"),
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


def test_names_of_ones_own_are_in_the_line_to_paste(save: Callable[..., Path]) -> None:
    remedy = refusal(save(images=X, labels=Y)).remedy
    assert "numpy.savez('eval.npz', x=d['images'], y=d['labels'])" in remedy


def test_files_of_keras_datasets(save: Callable[..., Path]) -> None:
    """``mnist.npz`` and its like have these four arrays."""
    found = read_npz(save(x_train=X + 1, y_train=Y, x_test=X, y_test=Y)).data
    np.testing.assert_array_equal(found.evaluation[0], X)
    np.testing.assert_array_equal(found.evaluation[1], Y)
    np.testing.assert_array_equal(found.train[0], X + 1)
    assert found.calibration is None
    own = read_npz(save(x=X, y=Y, x_test=X + 1, y_test=Y, x_calibration=X[:3])).data
    np.testing.assert_array_equal(own.evaluation[0], X)


def test_several_inputs(save: Callable[..., Path]) -> None:
    both = {"x.left": X, "x.right": X[:, :1] + 1}
    found = read_npz(
        save(**both, y=Y, **{"x_calibration.left": X[:4], "x_calibration.right": X[:4]})
    )
    assert list(found.data.evaluation[0]) == ["left", "right"]
    assert list(found.data.calibration) == ["left", "right"]
    cut = read_npz(save(**both, y=Y, groups=Y))
    x, y = cut.data.evaluation
    assert len(y) == len(x["left"]) == len(x["right"]) == 40
    np.testing.assert_array_equal(x["left"], X[y])
    np.testing.assert_array_equal(x["right"], X[y, :1] + 1)
    np.testing.assert_array_equal(cut.groups, y)


def test_a_pointer_of_git_lfs(tmp_path: Path) -> None:
    path = tmp_path / "eval.npz"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    assert refusal(path).remedy.startswith("git lfs pull")


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
