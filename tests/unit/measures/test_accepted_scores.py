"""Scores of samples that are kept with an accepted entry."""

from __future__ import annotations

import io

import numpy as np
import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.measures.accepted_scores import packed, unpacked
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Metric, as_scoring

RNG = np.random.default_rng(3)
N = 997
BITS = RNG.random(N) < 0.9


def evidence(**arrays: np.ndarray) -> Evidence:
    return Evidence(arrays, N, "", "host:fake")


def both(metric: object) -> tuple[Evidence, Evidence]:
    """A model that was accepted, and a somewhat worse one."""
    labels, errors = RNG.integers(0, 10, N), RNG.random(N)
    if metric == "top1":
        ranks = [np.where(RNG.random(N) < p, 0, 2) for p in (0.95, 0.93)]
        return evidence(rank=ranks[0]), evidence(rank=ranks[1])
    if metric == "auc":
        positive = labels > 5
        scores = [(positive + RNG.normal(0, s, N)).astype(np.float32) for s in (0.5, 0.7)]
        one, other = (evidence(score=each, positive=positive) for each in scores)
        return one, other
    return evidence(error=errors), evidence(error=errors * 1.1)


@pytest.mark.parametrize("metric", ["top1", "auc", "mse", "mae"])
def test_a_comparison_with_what_is_kept_is_that_of_the_passes(metric: str) -> None:
    scoring = as_scoring(metric, indexable=True)
    accepted, now = both(metric)
    kept = scoring.kept(accepted)
    assert kept is not None
    found = scoring.restored(unpacked(packed({"0": kept}), "0", "a.npz"))
    again = scoring.worse_by(Evidence(found, N, "", "accepted"), now)
    direct = scoring.worse_by(accepted, now)
    assert again.value == pytest.approx(direct.value, abs=1e-7)
    ends = (again.interval.low, again.interval.high)
    assert ends == pytest.approx((direct.interval.low, direct.interval.high), abs=1e-6)


def test_an_own_metric_keeps_its_scores() -> None:
    scoring = as_scoring(Metric(lambda y, labels: y[:, 0] > 0, per_sample=True), indexable=True)
    answers = RNG.normal(size=(N, 1))
    kept = scoring.kept(evidence(output=answers, label=np.zeros(N)))
    assert kept is not None
    np.testing.assert_array_equal(kept["score"], answers[:, 0] > 0)


@pytest.mark.parametrize(
    "scoring",
    [
        as_scoring("miou", indexable=True),
        as_scoring(Metric(lambda y, labels: 0.5, per_sample=False), indexable=True),
    ],
)
def test_a_metric_of_the_set_keeps_nothing(scoring: object) -> None:
    assert scoring.kept(evidence()) is None  # type: ignore[attr-defined]


def test_bits_of_ten_thousand_samples_take_less_than_two_kilobytes() -> None:
    many = RNG.random(10_000) < 0.5  # as many bits as there are
    assert len(packed({"0": {"correct": many}})) < 2000


def test_the_same_scores_give_the_same_bytes() -> None:
    one = {"b": {"correct": BITS}, "a": {"error": RNG.random(9)}}
    assert packed(one) == packed(dict(reversed(list(one.items()))))


def test_scores_of_several_owners_stay_apart() -> None:
    content = packed({"0": {"correct": BITS}, "1": {"correct": ~BITS}})
    np.testing.assert_array_equal(unpacked(content, "1", "a.npz")["correct"], ~BITS)
    assert unpacked(content, "2", "a.npz") == {}
    assert unpacked(content, "", "a.npz") == {}


def written(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\3\4 no archive",
        packed({"0": {"correct": BITS}})[:-40],
        written(**{"0.score": np.array([{}], object)}),
        written(**{"0.score": np.zeros((2, 2), np.float32)}),
        written(**{"0.correct.9.bits": np.zeros(1, np.uint8)}),
        written(**{"0.correct.x.bits": np.zeros(1, np.uint8)}),
        written(**{"0.correct.-1.bits": np.zeros(1, np.uint8)}),
        written(**{"0.correct.8.bits": np.zeros(1, np.float32)}),
    ],
)
def test_what_is_no_side_file_is_told(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match="can't be read as scores"):
        unpacked(content, "0", "a.npz")
