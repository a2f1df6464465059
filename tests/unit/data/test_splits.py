"""Splits: every form that the user may give, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.splits import (
    Array,
    ArraySplit,
    Batch,
    Fingerprint,
    StreamSplit,
    make_split,
)

X = np.arange(24, dtype=np.float32).reshape(6, 4)
Y = np.arange(6)


def split(given: Any, version: str | None = "v1") -> Any:
    return make_split("evaluation", given, version)


def refusal(given: Any, version: str | None = "v1") -> str:
    with pytest.raises(ConfigurationError) as raised:
        list(split(given, version).batches())
    assert str(raised.value).startswith("edgegate error: edge_data.evaluation")
    assert raised.value.remedy
    return raised.value.message


class Stream:
    """Re-iterable, as a DataLoader is."""

    def __init__(self, *elements: Any) -> None:
        self.elements = elements

    def __iter__(self) -> Iterator[Any]:
        return iter(self.elements)


class Tensor:
    """Something that is an array only after .numpy(), as a framework's tensor is."""

    def __init__(self, array: Array) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype

    def detach(self) -> Tensor:
        return self

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> Array:
        return self._array


@pytest.mark.parametrize(
    ("given", "inputs", "labels", "names"),
    [
        (X, [X], None, None),
        ((X, Y), [X], Y, None),
        ((X, None), [X], None, None),
        (((X, X[:, :2]), Y), [X, X[:, :2]], Y, None),
        (((X, X[:, :2]), None), [X, X[:, :2]], None, None),
        (({"a": X, "b": X[:, :2]}, Y), [X, X[:, :2]], Y, ("a", "b")),
        ({"a": X}, [X], None, ("a",)),
        (Tensor(X), [X], None, None),
        ((Tensor(X), Tensor(Y)), [X], Y, None),
    ],
)
def test_forms_of_arrays(
    given: Any, inputs: list[Array], labels: Array | None, names: tuple[str, ...] | None
) -> None:
    found = split(given, None)
    assert isinstance(found, ArraySplit)
    assert (found.size, found.names, found.indexable) == (6, names, True)
    [batch] = found.batches()
    assert len(batch) == 6
    for one, other in zip(batch.inputs, inputs, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(batch.labels, labels)


def test_batches_keep_the_order_and_miss_nothing() -> None:
    found = split((X, Y))
    batches = list(found.batches(4))
    assert [len(each) for each in batches] == [4, 2]
    np.testing.assert_array_equal(np.concatenate([each.inputs[0] for each in batches]), X)
    np.testing.assert_array_equal(np.concatenate([each.labels for each in batches]), Y)
    first = batches[0].first(3)
    assert len(first) == len(first.labels) == 3
    assert len(Batch((X,), None).first(2)) == 2


@pytest.mark.parametrize(
    ("elements", "labels"),
    [
        ([(X[:4], Y[:4]), (X[4:], Y[4:])], True),
        ([[X[:4], Y[:4]], [X[4:], Y[4:]]], True),
        ([(Tensor(X[:4]), Tensor(Y[:4])), (Tensor(X[4:]), Tensor(Y[4:]))], True),
        ([X[:4], X[4:]], False),
        ([[X[:4]], [X[4:]]], False),
        ([(X[:4],), (X[4:],)], False),
        ([(X[:0], Y[:0]), (X, Y)], True),
    ],
)
def test_forms_of_streams(elements: list[Any], labels: bool) -> None:
    for source in (elements, Stream(*elements)):
        found = split(source)
        assert isinstance(found, StreamSplit)
        assert (found.size, found.indexable) == (None, False)
        for _ in range(2):
            batches = list(found.batches())
            np.testing.assert_array_equal(np.concatenate([each.inputs[0] for each in batches]), X)
            assert all((each.labels is not None) is labels for each in batches)


def test_a_stream_of_several_inputs() -> None:
    found = split(Stream(({"a": X, "b": X[:, :1]}, Y)))
    [batch] = found.batches()
    assert found.names == ("a", "b")
    assert [each.shape for each in batch.inputs] == [(6, 4), (6, 1)]
    [batch] = split(Stream(((X, X[:, :1]), Y))).batches()
    assert len(batch.inputs) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (iter([(X, Y)]), "is an iterator, which can be read only once"),
        (((X, Y) for _ in range(2)), "is an iterator"),
        (zip(X, Y, strict=True), "is an iterator"),
        ("data.npz", "is a builtins.str, which is not a split"),
        (b"data", "is a builtins.bytes, which is not a split"),
        (5, "is a builtins.int, which is not a split"),
        ((X, Y, X), "is a builtins.tuple, which is not a split"),
        (([1, 2], Y), "has a builtins.list where an array is wanted"),
        ((X, [1, 2]), "has a builtins.list where an array is wanted"),
        (np.array(5.0), "has a single number where an array"),
        ((X, np.array(3)), "has a single number where an array"),
        (np.array(["a", "b"]), "dtype <U1, which is not a number"),
        (np.array([None, 1]), "dtype object, which is not a number"),
        (X.astype(complex), "which is not a number"),
        ((X, Y[:5]), "labels of shape (5,) differ in their length"),
        (((X, X[:5]), Y), "inputs of shape (6, 4), (5, 4) and labels of shape (6,) differ"),
        (((X, X[:5]), None), "inputs of shape (6, 4), (5, 4) differ"),
        (X[:0], "is empty"),
        ((X[:0], Y[:0]), "is empty"),
        ([], "gave no samples"),
        (Stream((X[:0], Y[:0])), "gave no samples"),
        (Stream((X, Y[:5])), "a batch of 6 samples has 5 labels"),
        (Stream(((X, X[:5]), Y)), "differ"),
        (Stream(((X, X[:5]), None)), "differ"),
        (Stream((X, "labels")), "has a builtins.str where an array"),
        (Stream(np.array(["a"])), "which is not a number"),
    ],
)
def test_what_is_no_split(given: Any, said: str) -> None:
    assert said in refusal(given)


def test_a_stream_has_to_name_its_content() -> None:
    message = refusal([(X, Y)], None)
    assert "is a stream, whose content can't be digested" in message
    with pytest.raises(ConfigurationError) as raised:
        split([(X, Y)], "")
    assert 'EdgeData(..., version="digits-2024-05")' in raised.value.remedy


def digest(given: Any, first: int | None = None) -> str:
    return str(split(given).digest(first))


def test_equal_arrays_have_equal_digests() -> None:
    assert digest((X, Y)) == digest((X.copy(), Y.copy()))
    assert digest((X[::2], Y[::2])) == digest((np.ascontiguousarray(X[::2]), Y[::2].copy()))
    assert digest(np.asfortranarray(X)) == digest(X)


def test_digests_change_with_all_that_matters() -> None:
    other = X.copy()
    other[5, 3] += 1
    versions = [
        (X, Y),
        (other, Y),
        (X, Y[::-1]),
        X,
        X.astype(np.float64),
        X.astype(np.int32),
        X.reshape(6, 2, 2),
        X[:5],
        (X[::-1], Y),
        {"a": X},
        {"b": X},
        {"a": X, "b": X},
        {"b": X, "a": X},
        X.astype(">f4"),
        X.view(np.int32),
        X.view(np.uint32),
    ]
    digests = [digest(each) for each in versions]
    assert len(set(digests)) == len(versions)


def test_a_digest_of_the_first_samples_sees_no_others() -> None:
    other = X.copy()
    other[4] = 0
    assert digest(X, 4) == digest(other, 4)
    assert digest(X, 5) != digest(other, 5)
    assert digest(X, 4) != digest(X)
    assert digest(X, 100) == digest(X)


def test_a_streams_digest_is_its_version() -> None:
    def of(name: str, version: str) -> str:
        return make_split(name, [(X, Y)], version).digest()

    assert of("evaluation", "a") == of("evaluation", "a")
    assert len({of("evaluation", "a"), of("evaluation", "b"), of("train", "a")}) == 3


@pytest.mark.parametrize("dtype", ["float16", "bool", "uint8", "bfloat16"])
def test_every_dtype_that_is_taken_has_a_digest(dtype: str) -> None:
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    array = np.ones((3, 2)).astype(dtype)
    other = np.zeros((3, 2)).astype(dtype)
    assert digest(array) == digest(array.copy())
    assert digest(array) != digest(other)


def fingerprint(*batches: tuple[Array, Array | None]) -> str:
    found = Fingerprint()
    for x, y in batches:
        found.add(Batch((x,), y))
    return found.value


def test_a_fingerprint_tells_a_shuffled_pass() -> None:
    order = [3, 1, 2, 0, 4, 5]
    same = fingerprint((X[:3], Y[:3]), (X[3:], Y[3:]))
    assert same == fingerprint((X[:3], Y[:3]), (X[3:], Y[3:]))
    shuffled, labels = X[order], Y[order]
    assert same != fingerprint((shuffled[:3], labels[:3]), (shuffled[3:], labels[3:]))
    assert same != fingerprint((X[3:], Y[3:]), (X[:3], Y[:3]))
    assert same != fingerprint((X[:3], Y[:3]))
    assert fingerprint((X[:3], Y[:3])) != fingerprint((X[:3], Y[[0, 2, 1]]))
    assert fingerprint((X[:3], None), (X[3:], None)) != fingerprint((X[3:], None), (X[:3], None))
