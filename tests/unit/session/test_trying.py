"""Samples that are fed otherwise: what is tried, on how many samples, for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.data.encodings import Feed
from pytest_edgegate.data.splits import ArraySplit, Split, StreamSplit
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import TopN, as_scoring
from pytest_edgegate.measures.metrics.own import Metric
from pytest_edgegate.measures.tries import Aim, Lift, Rival, Tries
from pytest_edgegate.session.measuring.scored_pass import observe
from pytest_edgegate.session.measuring.trying import Scored, Trier, _read, _simplest_of_best
from pytest_edgegate.stats.groups import Groups
from pytest_edgegate.storage.cache import Cache, Entry

Array = npt.NDArray[Any]
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 3, 400)
RGB = (RANDOM.random((400, 4, 4, 3)) * 0.5).astype(np.float32)
RGB[np.arange(400), :, :, LABELS] += 0.5
FIXED = (TensorInfo("x", (-1, 4, 4, 3), "float32"),)


class Runner:
    """Answers the channel with the most in it, counted by samples; time passes by sample."""

    def __init__(self, seconds: float = 1e-3, least: float = -np.inf, *, bgr: bool = True) -> None:
        self.inputs, self.outputs = FIXED, (TensorInfo("y", (-1, 3), "float32"),)
        self.seen, self.now, self.opened = 0, 0.0, 0
        self._seconds, self._least, self._bgr = seconds, least, bgr

    def __enter__(self) -> Runner:
        self.opened += 1
        return self

    def __exit__(self, *_: object) -> None:
        return

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        (x,) = batch
        self.seen += len(x)
        self.now += self._seconds * len(x)
        if x.min() < self._least:
            raise InferenceError("no such values", "give others")
        scores = x.mean(axis=(1, 2))
        return (scores[:, ::-1] if self._bgr else scores,)

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self.infer(batch)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        return lambda: self.infer(sample)


class Remembering(Runner):
    """Keeps the samples that it got, as bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[bytes] = []

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        self.rows += (each.tobytes() for each in batch[0])
        return super().infer(batch)


def split_of(count: int = 400) -> ArraySplit:
    return ArraySplit("evaluation", (RGB[:count],), LABELS[:count], None)


@pytest.fixture
def tried(tmp_path: Path) -> Callable[..., Tries]:
    def look(
        runner: Runner,
        split: Split | None = None,
        *,
        metric: Any = "top1",
        aim: Aim | None = None,
        groups: Groups | None = None,
        as_fed: Evidence | None = None,
    ) -> Tries:
        used = split_of() if split is None else split
        opener = SimpleNamespace(open=lambda _: runner, identity=lambda _: {"model": "a digest"})
        scoring = as_scoring(metric, indexable=True)
        seen = observe(Runner(), used, scoring, "host:fake") if as_fed is None else as_fed
        right = observe(Runner(bgr=False), used, scoring, "host:fake") if aim is None else None
        trier = Trier(opener, Cache(tmp_path), observe, clock=lambda: runner.now)  # type: ignore[arg-type]
        specimen: Any = SimpleNamespace(title="a file", lasting=True)
        scored = Scored(scoring, lambda _: as_scoring(metric, indexable=True), groups)
        return trier.tried(specimen, used, scored, seen, aim or Aim(right))

    return look


def test_the_way_is_chosen_on_some_samples_and_proven_on_others(tried: Any) -> None:
    runner = Runner()
    found = tried(runner)
    assert found.lift is not None
    assert (found.lift.code, found.lift.n, found.lift.proven) == ("x[..., ::-1]", 200, True)
    assert found.lift.value == found.lift.reference > 0.9
    assert found.lift.as_fed < 0.5
    assert found.n == 100
    assert runner.seen == 1 + 8 + 100 * len(found.tried) + 200


def test_another_run_opens_nothing(tried: Any) -> None:
    first = tried(Runner())
    again = Runner()
    assert tried(again) == first
    assert not again.opened


def test_what_was_tried_for_another_limit_is_tried_anew(tried: Any) -> None:
    tried(Runner(), aim=Aim(limit=0.9))
    again = Runner()
    tried(again, aim=Aim(limit=0.95))
    assert again.opened


def test_a_slow_file_is_tried_on_fewer_samples_and_the_slowest_in_fewer_ways(tried: Any) -> None:
    slow = Runner(0.02)
    found = tried(slow, split_of(399))
    assert found.lift is not None
    assert found.n < 20
    assert slow.now < 9
    slowest = Runner(0.2)
    found = tried(slowest, split_of(398))
    assert len(found.tried) == 2
    assert slowest.now < 12
    hopeless = Runner(2.0)
    assert tried(hopeless, split_of(397)) == Tries()
    assert hopeless.seen == 2


@pytest.mark.parametrize("count", [20, 12])
def test_of_few_samples_nothing_is_claimed_without_proof(tried: Any, count: int) -> None:
    found = tried(Runner(), split_of(count))
    assert found.lift is None or found.lift.n < count
    assert tried(Runner(), split_of(7)) == Tries()


def test_ways_that_the_model_refuses_are_left_out(tried: Any) -> None:
    found = tried(Runner(least=0.0))
    assert found.lift is not None
    assert "x * 2 - 1" not in found.tried
    assert "x * 255" in found.tried
    assert found.lift.code == "x[..., ::-1]"


def test_so_are_ways_that_give_nan(tried: Any) -> None:
    class Nan(Runner):
        def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
            (scores,) = super().infer(batch)
            return (np.where(batch[0].min() < 0, np.nan, scores),)

    found = tried(Nan())
    assert "x * 2 - 1" not in found.tried
    assert found.lift is not None
    assert found.lift.code == "x[..., ::-1]"


def test_the_samples_of_the_proof_are_none_of_the_choice(tried: Any) -> None:
    runner = Remembering()
    assert tried(runner).tried[0] == "x[..., ::-1]"
    chosen, proven = set(runner.rows[9:109]), set(runner.rows[-200:])
    assert (len(chosen), len(proven)) == (100, 200)
    assert not chosen & proven


def test_of_ways_that_are_about_as_good_the_simpler_is_first() -> None:
    common, rare = (Feed(name, name, lambda arrays: arrays) for name in ("common", "rare"))
    assert _simplest_of_best([(common, 0.30), (rare, 0.31)])[0] is common
    assert _simplest_of_best([(common, 0.29), (rare, 0.31)])[0] is rare
    assert _simplest_of_best([(common, 0.0), (rare, 0.0)]) == ()


def test_a_stream_is_read_for_a_while(tried: Any) -> None:
    class Batches:
        read = 0

        def __iter__(self) -> Iterator[tuple[Array, Array]]:
            for at in range(0, 400, 50):
                self.read += 1
                runner.now += 1.0
                yield RGB[at : at + 50], LABELS[at : at + 50]

    runner, source = Runner(), Batches()
    stream = StreamSplit("evaluation", source, "1")
    as_fed = observe(Runner(), stream, TopN(1), "host:fake")
    right = observe(Runner(bgr=False), stream, TopN(1), "host:fake")
    source.read = 0
    found = tried(runner, stream, as_fed=as_fed, aim=Aim(right))
    assert found.lift is not None
    assert (found.lift.code, found.lift.proven) == ("x[..., ::-1]", True)
    assert source.read == 5


def test_a_floor_and_no_reference_at_all(tried: Any) -> None:
    for aim in (Aim(limit=0.9), Aim()):
        found = tried(Runner(), aim=aim)
        assert found.lift is not None
        assert (found.lift.code, found.lift.reference) == ("x[..., ::-1]", None)
        assert found.lift.proven


def test_a_function_of_the_user(tried: Any) -> None:
    def right(outputs: Array, labels: Array) -> Array:
        return np.asarray(outputs.argmax(axis=1) == labels)

    found = tried(Runner(), metric=Metric(right))
    assert found.lift is not None
    assert found.lift.code == "x[..., ::-1]"


def test_a_few_groups_prove_nothing(tried: Any) -> None:
    found = tried(Runner(), groups=Groups(np.arange(400) % 5))
    assert found.lift is not None
    assert not found.lift.proven


def test_results_of_a_part_in_another_order(tried: Any) -> None:
    rows = np.random.default_rng(5).permutation(400)[:350]
    as_fed = observe(Runner(), split_of(), TopN(1), "host:fake").at(rows)
    right = observe(Runner(bgr=False), split_of(), TopN(1), "host:fake").at(rows)
    runner = Remembering()
    found = tried(runner, as_fed=as_fed, aim=Aim(right))
    assert found.lift is not None
    assert found.lift.value == found.lift.reference
    assert set(runner.rows[:9]) <= {each.tobytes() for each in RGB[rows]}
    assert set(runner.rows[-200:]) <= {each[..., ::-1].tobytes() for each in RGB[rows]}


def test_a_model_that_is_fed_rightly_and_errs_by_itself(tried: Any) -> None:
    class Lossy(Runner):
        def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
            (scores,) = super().infer(batch)
            wrong = (batch[0] * 1e4).astype(int).sum(axis=(1, 2, 3)) % 9 == 0
            return (np.where(wrong[:, None], np.roll(scores, 1, axis=1), scores),)

    as_fed = observe(Lossy(bgr=False), split_of(), TopN(1), "host:fake")
    right = observe(Runner(bgr=False), split_of(), TopN(1), "host:fake")
    found = tried(Lossy(bgr=False), as_fed=as_fed, aim=Aim(right))
    assert found.tried
    assert found.lift is None


class Bright(Runner):
    """Answers nothing but class 0 to samples that are not bright; it is symmetric otherwise."""

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        (scores,) = super().infer(batch)
        return (scores * (batch[0].max() > 100),)


def test_ways_that_give_back_as_much_are_all_named(tried: Any) -> None:
    as_fed = observe(Bright(bgr=False), split_of(), TopN(1), "host:fake")
    right = observe(Runner(bgr=False), split_of(), TopN(1), "host:fake")
    runner = Bright(bgr=False)
    found = tried(runner, as_fed=as_fed, aim=Aim(right))
    assert found.lift is not None
    assert found.lift.proven
    named = {found.lift.code, *(each.code for each in found.lift.rivals)}
    assert {"x * 255", "x * 255 - 128"} <= named
    assert runner.seen == 1 + 8 + 100 * len(found.tried) + 3 * 200
    assert tried(Bright(bgr=False), as_fed=as_fed, aim=Aim(right)) == found


def test_the_simpler_of_two_ways_is_named_alone(tried: Any) -> None:
    """The runner does not care about the encoding, so any with reversed channels would do."""
    found = tried(Runner())
    assert found.lift is not None
    assert "x[..., ::-1] * 255" in found.tried
    assert found.lift.rivals == ()


def test_a_way_that_is_proven_worse_is_no_rival(tried: Any) -> None:
    class Noisy(Bright):
        def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
            (scores,) = super().infer(batch)
            wrong = (batch[0] * 1e4).astype(int).sum(axis=(1, 2, 3)) % 25 == 0
            wrong &= batch[0].min() < 0  # of x * 255 - 128, about 4 % in place of none
            return (np.where(wrong[:, None], np.roll(scores, 1, axis=1), scores),)

    as_fed = observe(Noisy(bgr=False), split_of(), TopN(1), "host:fake")
    right = observe(Runner(bgr=False), split_of(), TopN(1), "host:fake")
    found = tried(Noisy(bgr=False), as_fed=as_fed, aim=Aim(right))
    assert found.lift is not None
    assert found.lift.code == "x * 255"
    assert "x * 255 - 128" not in {each.code for each in found.lift.rivals}


LIFT: dict[str, Any] = {
    "name": "channels reversed",
    "code": "x[..., ::-1]",
    "value": 0.9,
    "as_fed": 0.1,
    "reference": None,
    "n": 200,
    "proven": True,
    "rivals": [{"name": "a name", "code": "x / 255", "value": 0.89}],
}


@pytest.mark.parametrize(
    "info",
    [
        {"tried": "x / 255", "n": 9, "lift": None},
        {"tried": [1], "n": 9, "lift": None},
        {"tried": [], "n": "9", "lift": None},
        {"tried": [], "n": 9, "lift": {**LIFT, "proven": 1}},
        {"tried": [], "n": 9, "lift": {**LIFT, "value": "0.9"}},
        {"tried": [], "n": 9, "lift": {**LIFT, "more": 1}},
        {"tried": [], "n": 9, "lift": {**LIFT, "rivals": None}},
        {"tried": [], "n": 9, "lift": {**LIFT, "rivals": [{"name": "a name"}]}},
        {"tried": [], "n": 9, "lift": {**LIFT, "rivals": ["x / 255"]}},
        {"tried": [], "n": 9, "lift": {}},
    ],
)
def test_a_forged_entry_is_refused(info: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="malformed"):
        _read(Entry(Path(), info, frozenset(), cached=True))


def test_a_kept_entry_is_what_was_found() -> None:
    info = {"tried": ["x / 255"], "n": 9, "lift": LIFT}
    found = _read(Entry(Path(), info, frozenset(), cached=True))
    rivals = (Rival("a name", "x / 255", 0.89),)
    assert found == Tries(("x / 255",), 9, Lift(**{**LIFT, "rivals": rivals}))
