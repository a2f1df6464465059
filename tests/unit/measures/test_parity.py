"""Parity between made-up runners: the first one against all the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.core.verdict import Outcome
from pytest_edgegate.data.feeding import dequantised
from pytest_edgegate.data.splits import make_split
from pytest_edgegate.judge import judge
from pytest_edgegate.measures import parity
from pytest_edgegate.measures.comparison import compare_models
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.matching import OutputsDifferError
from pytest_edgegate.measures.metrics import Resampling
from pytest_edgegate.measures.metrics.resampling import ALL
from pytest_edgegate.measures.worst_place import STOPPED
from pytest_edgegate.stats.groups import Groups
from pytest_edgegate.stats.intervals import clopper_pearson

Array = npt.NDArray[Any]
SCALE = 0.5


class Answers:
    """A runner that answers each sample, which is its number, with a row of given arrays."""

    def __init__(self, *outputs: Array) -> None:
        self._given = outputs
        self.inputs = (TensorInfo("x", (-1,), "float32"),)
        self.outputs = tuple(
            TensorInfo(
                f"y{at}",
                (-1, *each.shape[1:]),
                each.dtype.name,
                scales=(SCALE,) if each.dtype.name in ("int8", "uint8") else (),
                zero_points=(3,) if each.dtype.name in ("int8", "uint8") else (),
            )
            for at, each in enumerate(outputs)
        )
        self.asked: list[str] = []

    def __enter__(self) -> Answers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        self.asked.append("raw")
        return self._rows(batch)

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        self.asked.append("real")
        pairs = zip(self._rows(batch), self.outputs, strict=True)
        return tuple(dequantised(array, each) for array, each in pairs)

    def _rows(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(each[batch[0].astype(int)] for each in self._given)


@dataclass
class Context:
    found: Evidence | NotMeasured
    resampling: Resampling = ALL
    reference: Evidence | NotMeasured | Exception | None = None
    """None: the metric reads every output as class scores, so the model is not run."""
    emulated: tuple[Evidence, ...] = ()
    versions: str = ""
    """What is told of the emulator's packages."""

    def parity(self) -> tuple[Evidence, ...] | NotMeasured:
        return self.found if isinstance(self.found, NotMeasured) else (self.found, *self.emulated)

    @property
    def samples(self) -> int:
        return 0 if isinstance(self.found, NotMeasured) else self.found.n

    def other_versions(self) -> str:
        return self.versions

    def reads_classes(self, outputs: tuple[str, ...], at: int, rows: int) -> bool:
        return self.reference is None

    def compared(self) -> Evidence | NotMeasured:
        assert self.reference is not None
        if isinstance(self.reference, Exception):
            raise self.reference
        return self.reference


def compared(*runners: Answers | Array, limit: int | None = None, enough: Any = None) -> Evidence:
    opened = [each if isinstance(each, Answers) else Answers(each) for each in runners]
    count = len(opened[0]._given[0])
    split = make_split("evaluation", np.arange(count, dtype=np.float32), None)
    return parity.compare(cast("Any", opened), split, "host:a,b", limit, enough=enough)


def found(metric: str, *runners: Answers | Array) -> Finding:
    measure = getattr(parity, metric)
    finding: Finding = measure(cast("Any", Context(compared(*runners))))
    return finding


def measured(metric: str, *runners: Answers | Array) -> Measurement:
    finding = found(metric, *runners)
    assert isinstance(finding, Measurement)
    assert finding.source == "host:a,b"
    return finding


EMULATOR = "emulator:qemu-aarch64:cortex-a76"


def with_emulator(metric: str, here: Evidence, there: Evidence, versions: str = "") -> Measurement:
    """The figure of a target with an emulated runtime, which compares fewer samples."""
    measure, emulated = getattr(parity, metric), replace(there, source=EMULATOR)
    finding = measure(cast("Any", Context(here, emulated=(emulated,), versions=versions)))
    assert isinstance(finding, Measurement)
    return finding


def scores(count: int = 100, dtype: str = "uint8") -> Array:
    """Class at % 5 wins by far."""
    return (np.eye(5)[np.arange(count) % 5] * 100 + 20).astype(dtype)


def moved(array: Array, **rows: int) -> Array:
    """The first elements of some samples, moved by some steps."""
    made = array.copy()
    for row, step in rows.items():
        at = (int(row[1:]), *(0,) * (made.ndim - 1))
        made[at] = made[at].item() + step
    return made


def test_equal_answers() -> None:
    one = scores()
    agreement = measured("parity_agreement", one, one.copy())
    assert (agreement.value, agreement.exact, agreement.n) == (1, Fraction(1), 100)
    ends = clopper_pearson(100, 100, 0.9)
    assert (agreement.low, agreement.high) == (ends.low, ends.high)
    assert measured("parity_lsb", one, one).value == 0
    assert measured("parity_within_lsb", one, one).value == 1
    assert measured("parity_abs", one, one).value == 0


def test_samples_whose_top_1_differs_are_counted_and_listed() -> None:
    other = scores()
    other[[3, 9, 12, 13, 14, 90]] = np.roll(other[[3, 9, 12, 13, 14, 90]], 1, axis=1)
    agreement = measured("parity_agreement", scores(), other)
    assert agreement.exact == Fraction(94, 100)


def test_a_tie_in_one_runtime_goes_to_the_lowest_index() -> None:
    one, other = np.array([[9, 9, 1]], np.uint8), np.array([[9, 8, 1]], np.uint8)
    assert measured("parity_agreement", one, other).value == 1
    assert measured("parity_agreement", one, np.array([[8, 9, 1]], np.uint8)).value == 0


def test_drift_in_output_steps_and_in_real_values() -> None:
    drifted = moved(scores(), _4=1, _7=-3)
    assert measured("parity_lsb", scores(), drifted).value == 3
    assert measured("parity_abs", scores(), drifted).value == 3 * SCALE
    within = measured("parity_within_lsb", scores(), drifted)
    assert within.value == pytest.approx(499 / 500)


def detections(count: int = 20) -> tuple[Array, Answers]:
    """Boxes in channels 0 to 3 and a score in channel 4, of a file and of its model."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (count, 6, 5))
    real = x * np.array([4, 4, 4, 4, 0.01])
    return x.astype(np.uint8), Answers(real.astype(np.float32))


def within(reference: Evidence | NotMeasured | Exception | None, *runners: Answers) -> Measurement:
    given = Context(compared(*runners), reference=reference)
    finding = parity.parity_within_lsb(cast("Any", given))
    assert isinstance(finding, Measurement)
    return finding


def test_scores_that_drift_do_not_vanish_among_boxes() -> None:
    one, model = detections()
    two = one.copy()
    two[:5, :, 4] ^= 8  # a quarter of the scores, a twentieth of the values
    split = make_split("evaluation", np.arange(20, dtype=np.float32), None)
    reference = compare_models(model, Answers(one), split, "host:a,b")
    told = within(reference, Answers(one), Answers(two))
    assert (told.value, told.exact) == (0.75, Fraction(3, 4))
    assert told.remark == "of channel 4 of output y0, the worst group of like channels"
    for none in (NotMeasured("no model", ""), OutputsDifferError("2", "1"), None):
        pooled = within(none, Answers(one), Answers(two))
        assert (pooled.exact, pooled.remark) == (Fraction(19, 20), "")


def test_a_small_output_does_not_vanish_beside_a_large_one() -> None:
    large, small = np.zeros((10, 1000), np.int8), np.zeros((10, 1), np.int8)
    off = small.copy()
    off[:5] = 9
    told = within(None, Answers(large, small), Answers(large, off))
    assert (told.exact, told.remark) == (Fraction(1, 2), "of output y1, the worst")
    same = within(None, Answers(large, small), Answers(large, small))
    assert (same.exact, same.remark) == (Fraction(1), "")


def test_truth_values_and_class_numbers_are_not_rounded() -> None:
    flags = np.array([[True, False]] * 10)
    other = flags.copy()
    other[0, 0] = False
    assert measured("parity_within_lsb", flags, other).exact == Fraction(19, 20)
    assert measured("parity_lsb", flags, other).value == 1
    assert measured("parity_abs", flags, other).value == 1
    numbers = np.arange(10, dtype=np.int64)[:, None]
    assert measured("parity_within_lsb", numbers, numbers ^ 1).value == 0
    quantised = numbers.astype(np.int8)
    assert measured("parity_within_lsb", quantised, quantised ^ 1).value == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("near_0"),
        lambda arrays: [arrays.pop(each) for each in ("near_0", "size_0")],
        lambda arrays: arrays.update(near_0=arrays["near_0"][:, :0]),
        lambda arrays: arrays.update(near_0=arrays["near_0"] + 9),
        lambda arrays: arrays.update(near_0=arrays["near_0"] - 9),
        lambda arrays: arrays.update(near_0=arrays["near_0"][:, 0]),
        lambda arrays: arrays.update(size_0=arrays["size_0"].astype(float)),
    ],
)
def test_evidence_of_another_shape_is_refused(change: Any) -> None:
    whole = compared(scores(), scores())
    parity.check_parity(whole)
    change(whole.arrays)
    with pytest.raises(ValueError, match="figures of an output"):
        parity.check_parity(whole)


def test_steps_do_not_wrap() -> None:
    for dtype in ("uint8", "int8"):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        one = np.array([[low, 0]], dtype)
        assert measured("parity_lsb", one, np.array([[high, 0]], dtype)).value == 255


def test_the_farthest_of_three_runtimes_counts() -> None:
    near, far = moved(scores(), _0=1), moved(scores(), _1=-7)
    flipped = scores()
    flipped[5] = np.roll(flipped[5], 2)
    assert measured("parity_lsb", scores(), near, far).value == 7
    assert measured("parity_lsb", scores(), far, near).value == 7
    assert measured("parity_agreement", scores(), near, flipped).exact == Fraction(99, 100)
    others = compared(scores(), moved(scores(), _0=9), moved(scores(), _1=9))
    assert (others.arrays["within"] < 1).sum() == 2


def test_several_outputs_are_compared_together() -> None:
    boxes = np.zeros((100, 3), np.uint8)
    one = Answers(scores(), boxes)
    other = Answers(scores(), moved(boxes, _2=4))
    assert measured("parity_lsb", one, other).value == 4
    within = compared(one, other).arrays["within"]
    assert within[2] == pytest.approx(7 / 8)


def test_a_float_output_has_no_steps() -> None:
    one = scores(dtype="float32")
    other = moved(one, _8=2)
    for metric in ("parity_lsb", "parity_within_lsb"):
        finding = found(metric, one, other)
        assert isinstance(finding, NotMeasured)
        assert "it has no quantisation steps" in finding.reason
        assert "parity_abs" in finding.remedy
    assert measured("parity_abs", one, other).value == 2
    assert measured("parity_agreement", one, other).value == 1


def test_one_float_output_among_quantised_ones() -> None:
    mixed = Answers(scores(), scores(dtype="float32"))
    assert isinstance(found("parity_lsb", mixed, mixed), NotMeasured)
    assert measured("parity_abs", mixed, mixed).value == 0


def test_an_output_without_classes_has_nothing_to_agree_on() -> None:
    one = np.zeros((4, 1), np.uint8)
    finding = found("parity_agreement", one, one)
    assert isinstance(finding, NotMeasured)
    assert "parity_lsb" in finding.remedy
    assert measured("parity_lsb", one, one).value == 0


def test_dense_outputs_agree_position_by_position() -> None:
    one = np.zeros((20, 2, 2, 3), np.uint8)
    one[..., 1] = 9
    other = one.copy()
    other[3, 0, 0] = [9, 0, 0]
    agreement = measured("parity_agreement", one, other)
    assert agreement.value == pytest.approx(79 / 80)
    assert agreement.exact is None
    assert agreement.low is not None
    assert agreement.low < agreement.value


@pytest.mark.parametrize("side", ["first", "second", "both"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("metric", ["parity_agreement", "parity_lsb", "parity_abs"])
def test_nan_on_either_side_is_a_failure(metric: str, bad: float, side: str) -> None:
    fine = scores(dtype="float32")
    spoilt = fine.copy()
    spoilt[[6, 8], 1] = bad
    pair = (spoilt if side != "second" else fine, spoilt if side != "first" else fine)
    finding = measured(metric, *pair)
    assert finding.nonfinite == "NaN or Inf on 2 of 100 samples, first on sample 6"
    assert judge(finding, Budget(metric, 1), Rules("lenient"), "t").outcome is Outcome.FAIL


def test_what_was_not_compared_is_not_measured() -> None:
    none = NotMeasured("lists one runtime", "list another one")
    for metric in ("parity_agreement", "parity_lsb", "parity_within_lsb", "parity_abs"):
        assert getattr(parity, metric)(cast("Any", Context(none))) is none


def test_only_so_many_samples() -> None:
    assert compared(scores(), scores(), limit=30).n == 30


@pytest.mark.parametrize(("count", "elements", "apart"), [(1, 100, 1), (30, 10, 3), (7, 100, 7)])
def test_a_share_of_elements_is_exact_against_its_budget(
    count: int, elements: int, apart: int
) -> None:
    one = np.zeros((count, elements), np.uint8)
    other = one.copy()
    other[np.arange(apart) % count, np.arange(apart) // count] = 9
    within = measured("parity_within_lsb", one, other)
    verdict = judge(within, Budget("parity_within_lsb", 0.99), Rules(), "t")
    assert verdict.outcome is Outcome.PASS


STRICT = Rules("strict")


def strictly(evidence: Evidence, groups: Any = None) -> Any:
    resampling = ALL if groups is None else Resampling(Groups(groups))
    finding = parity.parity_agreement(cast("Any", Context(evidence, resampling)))
    return judge(finding, Budget("parity_agreement", 0.9), STRICT, "board")


def test_runtimes_that_agree_on_one_answer_for_everything_prove_nothing() -> None:
    dead = np.tile(np.uint8([3, 9, 1]), (100, 1))
    found = strictly(compared(dead, dead.copy()))
    assert (found.outcome, found.proven) == (Outcome.FAIL, False)
    assert "the file gives every sample the same answer" in found.note
    assert found.remedy.startswith("give evaluation samples that can prove it")
    assert strictly(compared(scores(), scores())).outcome is Outcome.PASS
    several = compared(Answers(dead, scores()), Answers(dead, scores()))
    assert strictly(several).outcome is Outcome.PASS


def test_so_do_dense_outputs_of_one_answer() -> None:
    dead = np.tile(np.uint8([3, 9, 1]), (100, 4, 1))
    assert strictly(compared(dead, dead)).red
    dead[7, 2] = [9, 3, 1]
    assert not strictly(compared(dead, dead)).red


@pytest.mark.parametrize("share", [1.0, 0.98])
def test_groups_that_all_score_alike_prove_nothing(share: float) -> None:
    """Means over groups of unlike sizes differ by rounding, which is no spread."""
    evidence = compared(scores(200), scores(200))
    evidence.arrays["agreement"][:] = share
    found = strictly(evidence, np.arange(200) ** 2 % 53)
    assert (found.outcome, found.proven) == (Outcome.FAIL, False)
    assert "groups score alike" in found.note
    assert judge(found.measured, found.budget, Rules("point"), "board").outcome is Outcome.PASS


def test_groups_that_differ_prove_it() -> None:
    evidence = compared(scores(200), scores(200))
    evidence.arrays["agreement"][::40] = 0.0
    found = strictly(evidence, np.arange(200) // 5)
    assert (found.outcome, found.proven) == (Outcome.PASS, True)


@pytest.mark.parametrize(
    ("dtype", "scales", "steps"),
    [
        ("int8", (), 1),
        ("uint8", (0.1,), 1),
        ("int32", (0.1,), 1),
        ("int32", (), 0),
        ("int64", (), 0),
        ("bool", (), 0),
    ],
)
def test_what_rounds_by_a_step(dtype: str, scales: tuple[float, ...], steps: int) -> None:
    values = np.zeros(3, dtype)
    assert parity._rounding(TensorInfo("y", (1, 3), dtype, scales=scales), values) == steps


def test_a_pass_that_may_end_early_has_a_random_part_of_any_size() -> None:
    answers = scores()
    asked: list[int] = []

    def enough() -> bool:
        asked.append(1)
        return len(asked) == 3

    found = compared(answers, answers, limit=50, enough=enough)
    assert (found.n, len(asked)) == (12, 3)
    assert found.positions is not None
    whole = compared(answers, answers, limit=50, enough=lambda: False)
    assert whole.positions is not None
    assert whole.n == 50
    assert found.positions.tolist() == whole.positions[:12].tolist()
    assert np.ptp(found.positions) > 40


@pytest.mark.parametrize(
    ("dtype", "asked"),
    [(each, {"real"}) for each in ("int8", "uint8", "float32")]
    + [(each, {"raw"}) for each in ("int16", "int32", "int64", "float64", "bool")],
)
def test_remembered_answers_are_asked_for_where_real_values_lose_nothing(
    dtype: str, asked: set[str]
) -> None:
    """Every integer of 8 bits comes back from its real value: two equal files never differ."""
    whole = np.arange(256).astype(dtype)[:, None]
    one, other = Answers(whole), Answers(whole)
    split = make_split("evaluation", np.arange(256, dtype=np.float32), None)
    found = parity.compare([one, other], split, "here")
    assert found.arrays["absolute"].max() == 0
    assert set(one.asked) == asked
    assert set(other.asked) == {"raw"}


@pytest.mark.parametrize("scale", [np.nan, np.inf, 1e38, 1e-45, 0.0])
def test_answers_that_do_not_come_back_from_real_values_are_asked_for_raw(scale: float) -> None:
    runners = [Answers(np.arange(256).astype("uint8")[:, None]) for _ in range(2)]
    for each in runners:
        each.outputs = tuple(replace(info, scales=(scale,)) for info in each.outputs)
    split = make_split("evaluation", np.arange(256, dtype=np.float32), None)
    with np.errstate(all="ignore"):
        found = parity.compare(runners, split, "here")
    assert found.arrays["steps"].max() == 0
    assert "raw" in runners[0].asked


def test_worst_of_host_and_emulator_decides() -> None:
    one = scores()
    equal, part = compared(one, one.copy()), compared(one[:20], one[:20].copy())
    off = compared(one, moved(one, r3=-2))
    off_there = compared(one[:20], moved(one[:20], r3=-2))
    for metric, worst in (("parity_lsb", 2.0), ("parity_abs", 1.0), ("parity_within_lsb", 0.998)):
        there = with_emulator(metric, equal, off_there)
        assert (there.source, there.n) == (EMULATOR, 20)
        here = with_emulator(metric, off, part)
        assert (here.source, here.n) == ("host:a,b", 100)
        assert here.value == worst
        assert f"on 20 samples in {EMULATOR}" in here.remark
        assert "given 200 samples and 300 s at most" not in here.remark


def test_of_equal_figures_emulator_is_told() -> None:
    one = scores()
    equal, part = compared(one, one.copy()), compared(one[:20], one[:20].copy())
    agreement = with_emulator("parity_agreement", equal, part)
    assert (agreement.source, agreement.n, agreement.value) == (EMULATOR, 20, 1)
    assert agreement.remark == (
        "an emulator is given 200 samples and 300 s at most; 1 on 100 samples in host:a,b"
    )


def test_nan_in_either_is_red() -> None:
    one = scores(dtype="float32")
    bad = one.copy()
    bad[3, 0] = np.nan
    fine, broken = compared(one, one.copy()), compared(one, bad)
    for here, there in ((fine, broken), (broken, fine)):
        found = with_emulator("parity_abs", here, there)
        assert found.nonfinite.startswith("NaN or Inf on 1 of 100 samples, first on sample 3")
        assert found.source == (EMULATOR if there is broken else "host:a,b")


def stopped_after(count: int, *runners: Array) -> Evidence:
    """A pass that has no time for more samples."""
    turns = iter(range(1, 10**6))
    return compared(*runners, limit=200, enough=lambda: 4 * next(turns) >= count)


def test_pass_that_has_stopped_is_told_from_a_whole_one() -> None:
    one = scores()
    part = stopped_after(12, one, one.copy())
    assert (part.n, part.arrays[STOPPED].all()) == (12, True)
    whole = stopped_after(100, one, one.copy())
    assert (whole.n, whole.arrays[STOPPED].any()) == (100, False)


PARTS = [
    ("parity_lsb", 1, 0),
    ("parity_abs", 0.6, 0.1),
    ("parity_within_lsb", 0.9, 1),
]


@pytest.mark.parametrize(("metric", "wide", "narrow"), PARTS)
@pytest.mark.parametrize("off_here", [0, 1])
def test_exact_figure_of_a_part_proves_nothing(
    metric: str, wide: float, narrow: float, off_here: int
) -> None:
    """Also where the runtimes of this host, on all samples, are further apart than the part."""
    one = scores()
    here = compared(one, moved(one, r3=off_here))
    finding = with_emulator(metric, here, stopped_after(12, one, moved(one, r0=1)))
    for policy, outcome in (
        ("point", Outcome.PASS),
        ("lenient", Outcome.PASS),
        ("strict", Outcome.INCONCLUSIVE),
    ):
        verdict = judge(finding, Budget(metric, wide), Rules(policy=policy), "raspberry-pi-5")
        assert (verdict.outcome, verdict.proven) == (outcome, False)
        assert "compared on 12 of the 100 samples that an emulator is given" in verdict.note
    assert "edge_policy = point" in verdict.remedy


def test_largest_difference_of_a_part_is_over_for_sure() -> None:
    one = scores()
    order = np.random.default_rng(0).permutation(100)
    off = moved(one, **{f"r{order[0]}": 2})
    part, here = stopped_after(12, one, off), compared(one, one.copy())
    for metric in ("parity_lsb", "parity_abs"):
        found = with_emulator(metric, here, part)
        assert found.source == EMULATOR
        for policy in ("point", "lenient", "strict"):
            verdict = judge(found, Budget(metric, 0.1), Rules(policy=policy), "raspberry-pi-5")
            assert (verdict.outcome, verdict.proven) == (Outcome.FAIL, True)
    share = with_emulator("parity_within_lsb", here, part)
    for policy, outcome in (
        ("point", Outcome.FAIL),
        ("lenient", Outcome.PASS),
        ("strict", Outcome.INCONCLUSIVE),
    ):
        verdict = judge(share, Budget("parity_within_lsb", 1), Rules(policy=policy), "it")
        assert (verdict.outcome, verdict.proven) == (outcome, False)


def test_share_of_all_samples_here_is_over_for_sure() -> None:
    one = scores()
    part = stopped_after(12, one, one.copy())
    share = with_emulator("parity_within_lsb", compared(one, moved(one, r3=2)), part)
    verdict = judge(share, Budget("parity_within_lsb", 1), Rules(policy="strict"), "it")
    assert (verdict.outcome, verdict.proven) == (Outcome.FAIL, True)


@pytest.mark.parametrize("metric", ["parity_lsb", "parity_agreement"])
def test_emulated_packages_of_other_versions_are_told(metric: str) -> None:
    one = scores()
    equal, said = compared(one, one.copy()), "caution: onnxruntime 1.31.0 in the emulator"
    assert said in with_emulator(metric, equal, equal, said).remark


def test_emulated_packages_of_other_versions_are_told_of_nan() -> None:
    one = scores(dtype="float32")
    bad, said = one.copy(), "caution: onnxruntime 1.31.0 in the emulator"
    bad[3, 0] = np.nan
    found = with_emulator("parity_abs", compared(one, one.copy()), compared(one, bad), said)
    verdict = judge(found, Budget("parity_abs", 1), Rules(), "raspberry-pi-5")
    assert (verdict.outcome, verdict.note) == (Outcome.FAIL, said)


def test_whose_outputs_are_not_finite() -> None:
    one = scores(dtype="float32")
    bad = one.copy()
    bad[3:5, 0] = np.nan
    found = compared(one, one.copy(), bad)
    assert [parity.bad_in(found, at) for at in range(3)] == [0, 0, 2]
