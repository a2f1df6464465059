"""Splits: every form that the user may give, and what is refused."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
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
    refuse_endless,
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


def test_batches_say_where_they_start() -> None:
    for given in ((X, Y), [(X[:4], Y[:4]), (X[:0], Y[:0]), (X[4:], Y[4:])]):
        assert [each.start for each in split(given).batches(4)] == [0, 4]
    assert split((X, Y)).take(np.array([3])).start is None


def test_keys_in_another_order_are_the_same_inputs() -> None:
    found = split(Stream(({"a": X, "b": -X}, Y), ({"b": -X, "a": X}, Y)))
    for batch in found.batches():
        np.testing.assert_array_equal(batch.inputs[0], X)
        np.testing.assert_array_equal(batch.inputs[1], -X)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ((X, Y), ((X, X), Y), "batch #1 differs from the first one: it has 2 arrays without keys"),
        (((X, X), Y), (X, Y), "it has one array, not 2 arrays without keys"),
        (({"a": X}, Y), ({"b": X}, Y), "it has the keys b, not the keys a"),
        (({"a": X}, Y), ({"a": X, "b": X}, Y), "it has the keys a, b, not the keys a"),
        (({"a": X}, Y), (X, Y), "it has one array, not the keys a"),
        ((X, Y), X, "it has no labels"),
        (X, (X, Y), "it has labels, and the first has none"),
    ],
)
def test_batches_of_different_forms(first: Any, second: Any, said: str) -> None:
    assert said in refusal(Stream(first, second))
    found = split(Turns([first], [second]))
    list(found.batches())
    with pytest.raises(ConfigurationError, match="differs from the first one"):
        list(found.batches())


class Turns:
    """Gives other batches on every pass."""

    def __init__(self, *passes: list[Any]) -> None:
        self.passes = iter(passes)

    def __iter__(self) -> Iterator[Any]:
        return iter(next(self.passes))


def test_a_stream_that_is_spent_after_a_pass() -> None:
    found = split(Turns([(X, Y)], []))
    list(found.batches())
    with pytest.raises(ConfigurationError, match="gave no samples on another pass"):
        list(found.batches())


class Repeated:
    """Begins anew where its elements end, for ever or for some *times*."""

    def __init__(self, *elements: Any, times: int | None = None) -> None:
        self.elements, self.times = elements, times

    def __iter__(self) -> Iterator[Any]:
        if self.times is None:
            return itertools.cycle(self.elements)
        return iter(self.elements * self.times)


class Drawn:
    """Draws other samples at random, for ever."""

    def __iter__(self) -> Iterator[Any]:
        generator = np.random.default_rng(0)
        while True:
            yield generator.random((50_000, 1), np.float32), np.zeros(50_000, np.uint8)


class Infinite(Drawn):
    """Knows that it never ends, as a tf.data.Dataset does."""

    def cardinality(self) -> Array:
        return np.int64(-1)


class Unending(Drawn):
    """Has the length that libraries give to what never ends."""

    def __len__(self) -> int:
        return sys.maxsize


def test_a_stream_that_begins_anew_does_not_end() -> None:
    again = refusal(Repeated((X, Y), (X + 1, Y)))
    assert "does not end: it gives the same 2 batches (12 samples) again and again" in again
    assert "does not end: it gives the same batch (6 samples) again" in refusal(Repeated((X, Y)))


def test_a_stream_without_an_end_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_edgegate.data.stream_ends._MOST", 200_000)
    assert "has given 200,000 samples, and no end is in sight" in refusal(Drawn())


@pytest.mark.parametrize("source", [Infinite(), Unending()])
def test_a_stream_that_tells_that_it_never_ends(source: Any) -> None:
    with pytest.raises(ConfigurationError, match="evaluation never ends"):
        refuse_endless(split(source))
    assert len(next(split(source).batches())) == 50_000  # some samples of it can be had
    assert "never ends" in refusal(source)


class Sized(Drawn):
    """A large set that tells its number of batches."""

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(super().__iter__(), len(self))

    def __len__(self) -> int:
        return 5


@pytest.mark.parametrize(
    "source",
    [
        Repeated((X, Y), times=300),  # few samples
        Repeated((X, Y), (X + 1, Y), *[(X, Y)] * 500, times=8),  # its parts repeat, not the whole
        Repeated((np.zeros((64, 4), np.float32), np.zeros(64)), times=100),  # sorted: equal rows
        Repeated(*((X + at, Y) for at in range(900))),
        Sized(),
    ],
    ids=["few", "parts", "equal", "long", "sized"],
)
def test_a_stream_that_ends_is_read_to_its_end(
    source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_edgegate.data.stream_ends._MOST", 200_000)
    if isinstance(source, Repeated) and source.times is None:
        source.times = 9
    refuse_endless(split(source))
    assert sum(map(len, split(source).batches())) > 1000


class Failing:
    """Breaks after its first batch, or before it."""

    def __init__(self, error: BaseException, *elements: Any) -> None:
        self.error, self.elements = error, elements

    def __iter__(self) -> Iterator[Any]:
        yield from self.elements
        raise self.error


@pytest.mark.parametrize("elements", [(), ((X, Y),)])
def test_a_stream_that_raises(elements: tuple[Any, ...]) -> None:
    error = RuntimeError("the disk is gone")
    with pytest.raises(ConfigurationError) as raised:
        list(split(Failing(error, *elements)).batches())
    assert raised.value.message == (
        f"edge_data.evaluation failed at its batch #{len(elements)}: RuntimeError: the disk is gone"
    )
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), ConfigurationError("our own", "mend it"), SystemExit(3)]
)
def test_what_is_no_failure_of_a_stream_passes_through_it(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        list(split(Failing(error)).batches())
    assert raised.value is error


def test_a_loaders_lists_are_tuples() -> None:
    """``default_collate`` of torch makes ``[[a, b], y]`` of samples ``((a, b), y)``."""
    [batch] = split(Stream([[Tensor(X), Tensor(-X)], Tensor(Y)])).batches()
    np.testing.assert_array_equal(batch.inputs[1], -X)
    np.testing.assert_array_equal(batch.labels, Y)


class Frame:
    """As a data frame: columns are attributes."""

    cpu = "a column"

    def __init__(self, array: Array) -> None:
        self.array, self.shape = array, array.shape

    def to_numpy(self) -> Array:
        return self.array


class Lazy:
    """As an array of JAX or HDF5."""

    def __init__(self, array: Array) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __array__(self, dtype: object = None, copy: object = None) -> Array:
        return self.array


class Bfloat16(Tensor):
    def numpy(self) -> Array:
        raise TypeError("Got unsupported ScalarType BFloat16")


@pytest.mark.parametrize("of", [Frame, Lazy, np.ma.masked_array, np.asfortranarray])
def test_arrays_of_other_kinds(of: Any) -> None:
    found = split((of(X), Frame(Y)))
    assert type(found.inputs[0]) is np.ndarray
    np.testing.assert_array_equal(found.inputs[0], X)
    np.testing.assert_array_equal(found.labels, Y)


def test_a_mapped_file_is_not_read_into_memory(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    found = split(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert isinstance(found.inputs[0].base, np.memmap)


def test_a_tensor_that_numpy_does_not_take() -> None:
    with pytest.raises(ConfigurationError) as raised:
        split((Bfloat16(X), Y))
    assert "numpy can't take: TypeError: Got unsupported ScalarType BFloat16" in str(raised.value)
    assert "x.float()" in raised.value.remedy
    assert isinstance(raised.value.__cause__, TypeError)


@pytest.mark.parametrize(("given", "wanted"), [("bfloat16", "float32"), ("longdouble", "float64")])
def test_floats_that_runtimes_do_not_know(given: str, wanted: str) -> None:
    dtype = pytest.importorskip("ml_dtypes").bfloat16 if given == "bfloat16" else np.longdouble
    found = split((X.astype(dtype), Y.astype(dtype)))
    assert (found.inputs[0].dtype, found.labels.dtype) == (wanted, wanted)
    np.testing.assert_array_equal(found.inputs[0], X)


HOLED = np.ma.masked_array(X, mask=X[4, 2] == X)
RECORDS = np.zeros(6, [("a", "f4"), ("b", "f4")])
UNEQUAL = np.array([X[0], X[1], X[2, :2]], dtype=object)


@pytest.mark.parametrize(
    ("given", "said", "remedy"),
    [
        (HOLED, "values missing in 1 of 6 samples (the first is #4)", "x.filled(0)"),
        (UNEQUAL, "samples of different shapes: #0 has (4,), #2 has (2,)", "pad, crop or resize"),
        (X.astype(object), "of dtype object", "x.astype('float32')"),
        (np.array([*X, None], object)[:6], "of dtype object", "np.stack(x)"),
        (X + 1j, "of dtype complex", "np.stack([x.real, x.imag], -1)"),
        (RECORDS, "which is not a number that models take", "x[name] for name in x.dtype.names"),
        (np.zeros(6, "M8[D]"), "of dtype datetime64", "x.astype('int64')"),
        (X[:, :0], "has samples of shape (0,), which hold no values", "that the model takes"),
        (((), Y), "has no inputs", "a split is an array"),
        (({}, Y), "has no inputs", "a split is an array"),
        (([X[0], X[1]], Y), "differ in their length", "a list of samples is np.stack(x)"),
        ([(X[0], Y[0])], "batch #0 has a single number", ".batch(64)"),
    ],
)
def test_what_to_type_instead(given: Any, said: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        list(split(given).batches())
    assert said in raised.value.message
    assert remedy in raised.value.remedy


def test_a_dataset_of_torch_is_no_stream() -> None:
    class Samples:
        def __len__(self) -> int:
            return 6

        def __getitem__(self, at: int) -> tuple[Array, int]:
            return X[at], int(Y[at])

    with pytest.raises(ConfigurationError) as raised:
        split(Samples())
    assert "DataLoader(dataset, batch_size=64)" in raised.value.remedy


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
        X.view(np.int32),
        X.view(np.uint32),
    ]
    digests = [digest(each) for each in versions]
    assert len(set(digests)) == len(versions)


def test_the_byte_order_of_the_users_machine_is_no_content() -> None:
    swapped = split((X.astype(">f4"), Y.astype(">i8")))
    assert swapped.inputs[0].dtype.isnative
    assert swapped.labels.dtype.isnative
    assert digest((X.astype(">f4"), Y.astype(">i8"))) == digest((X, Y))


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
