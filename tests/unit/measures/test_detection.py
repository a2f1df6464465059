"""The metric of detectors: how outputs are read, what is kept, chance, and differences."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import Metric
from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.data.boxes import box_labels
from pytest_edgegate.data.splits import ArraySplit, StreamSplit
from pytest_edgegate.measures.accuracy import accuracy_drop, accuracy_drop_relative, accuracy_min
from pytest_edgegate.measures.evidence import (
    NONFINITE,
    Collector,
    Evidence,
    Paired,
    check_figures,
    joined,
)
from pytest_edgegate.measures.metrics import Chance, Resampling, Unchecked, as_scoring
from pytest_edgegate.measures.metrics.odd_boxes import INVERTED, UNCLASSED

Array = npt.NDArray[Any]
N = 40
RANDOM = np.random.default_rng(2)
BOXES = [RANDOM.integers(0, 40, (k, 2)) for k in RANDOM.integers(0, 4, N)]
PAIRS = [
    (
        np.hstack([corner, corner + RANDOM.integers(6, 30, corner.shape)]).astype(np.float32),
        RANDOM.integers(0, 3, len(corner)),
    )
    for corner in BOXES
]
POST = "TFLite_Detection_PostProcess"


def labels() -> Array:
    made = box_labels("y", PAIRS)
    assert made is not None
    return made


def answers(shift: float = 0.0, most: int = 5) -> dict[str, Array]:
    """The labels as outputs, moved by *shift* pixels, filled up with detections of no score."""
    boxes, scores, classes = (np.zeros((N, most, *more), np.float32) for more in ((4,), (), ()))
    for at, (own, ids) in enumerate(PAIRS):
        boxes[at, : len(own)], classes[at, : len(own)] = own + shift, ids
        scores[at, : len(own)] = 0.9 - 0.1 * np.arange(len(own)) - 0.001 * at
    return {"boxes": boxes, "scores": scores, "classes": classes}


def seen(given: Any, outputs: dict[str, Array], batch: int = 7, **more: Any) -> Evidence:
    """A pass in batches, as the gate makes it."""
    scoring: Any = as_scoring(given, indexable=True)
    truth = labels()
    split = ArraySplit("evaluation", (np.zeros((N, 1)),), truth, None)
    keeper, parts = scoring.keeper(split), []
    for at in range(0, N, batch):
        part = {name: each[at : at + batch] for name, each in outputs.items()}
        parts.append(scoring.observe(part, truth[at : at + batch]))
        keeper.add(part, truth[at : at + batch], None)
    arrays = {
        key: joined(key, [part[key] for part in parts], scoring.figures[key].padding)
        for key in parts[0]
    }
    return Evidence({**arrays, **keeper.figures(N)}, N, "", "host:fake")


def test_right_boxes_reach_one_and_shifted_ones_less() -> None:
    scoring: Any = as_scoring("map", indexable=True)
    right, near = seen("map", answers()), seen("map", answers(1.0))
    assert scoring.value(right) == pytest.approx(1.0)
    assert 0.3 < scoring.value(near) < 0.9
    assert as_scoring("map50", indexable=True).value(near) > scoring.value(near)
    drop = scoring.worse_by(right, near)
    assert drop.value == pytest.approx(1 - scoring.value(near))
    assert 0 < drop.interval.low < drop.value < drop.interval.high


def test_the_same_answers_are_no_worse() -> None:
    scoring: Any = as_scoring("map", indexable=True)
    near = seen("map", answers(1.0))
    drop = scoring.worse_by(near, near)
    assert (drop.value, drop.interval.low, drop.interval.high) == (0, 0, 0)
    assert not drop.provable


def test_the_size_of_the_batch_does_not_matter() -> None:
    scoring: Any = as_scoring("map", indexable=True)
    found = {scoring.value(seen("map", answers(2.0), batch)) for batch in (1, 7, N)}
    assert len(found) == 1


def test_what_is_kept_passes_the_check_of_the_cache() -> None:
    scoring: Any = as_scoring("map", indexable=True)
    evidence = seen("map", answers())
    check_figures(evidence, scoring.figures)
    assert scoring.kept(evidence) is None
    del evidence.arrays["hits"]
    with pytest.raises(ValueError, match="hits"):
        check_figures(evidence, scoring.figures)


def post_processed(outputs: dict[str, Array]) -> dict[str, Array]:
    """As the operator of TFLite gives them: y before x, and filled up to a maximum."""
    counts = np.array([len(own) for own, _ in PAIRS], np.float32)
    corners = outputs["boxes"][..., [1, 0, 3, 2]].copy()
    for at, count in enumerate(counts.astype(int)):
        corners[at, count:] = (0, 0, 40, 40)  # what is left of an earlier image
        outputs["scores"][at, count:] = 0.99
    return {
        POST: corners,
        f"{POST}:1": outputs["classes"],
        f"{POST}:2": outputs["scores"],
        f"{POST}:3": counts,
    }


def test_the_four_outputs_of_the_post_process() -> None:
    scoring: Any = as_scoring("map", indexable=True)
    assert scoring.value(seen("map", post_processed(answers()))) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("at", "given", "told"),
    [
        (f"{POST}:3", np.full(N, 6), r"is 6 for an image, and the model has room for 5"),
        (f"{POST}:3", np.full(N, np.nan), "is nan for an image"),
        (f"{POST}:3", np.full((N, 1), -1), "is -1 for an image"),
        (f"{POST}:3", np.zeros((N, 2)), rf"number of detections \(n,\).*:3' \({N}, 2\)"),
        (f"{POST}:2", np.zeros((N, 4)), rf"scores \(n, k\).*:2' \({N}, 4\)"),
        (f"{POST}:1", np.zeros(N), rf"classes \(n, k\).*:1' \({N},\)"),
        (POST, np.zeros((N, 5, 3)), rf"boxes \(n, k, 4\).*Process' \({N}, 5, 3\)"),
        (POST, np.zeros((N, 4)), rf"boxes \(n, k, 4\).*Process' \({N}, 4\)"),
    ],
)
def test_four_outputs_that_are_not_the_post_processs(at: str, given: Array, told: str) -> None:
    outputs = {**post_processed(answers()), at: given}
    with pytest.raises(ConfigurationError, match=told):
        as_scoring("map", indexable=True).observe(outputs, labels())


@pytest.mark.parametrize("count", [(N,), (N, 1)])
def test_the_post_process_under_other_names_is_told_with_its_decode(count: Any) -> None:
    given = post_processed(answers())
    call = "StatefulPartitionedCall"
    order = (f"{POST}:2", POST, f"{POST}:3", f"{POST}:1")
    outputs = {f"{call}:{at}": given[name] for at, name in enumerate(order)}
    outputs[f"{call}:2"] = outputs[f"{call}:2"].reshape(count)
    with pytest.raises(ConfigurationError, match=f"or {POST}, {POST}:1, .* has '{call}:0'") as told:
        as_scoring("map", indexable=True).observe(outputs, labels())
    assert f"outputs['{call}:1'][:count, [1, 0, 3, 2]]" in told.value.remedy
    assert f"count = int(outputs['{call}:2'].item())" in told.value.remedy

    def decode(outputs: dict[str, Array]) -> Any:
        count = int(outputs["StatefulPartitionedCall:2"].item())
        boxes = outputs["StatefulPartitionedCall:1"][:count, [1, 0, 3, 2]]
        others = (outputs[f"StatefulPartitionedCall:{at}"][:count] for at in (0, 3))
        return boxes, *others

    scoring: Any = as_scoring("map", indexable=True)
    assert scoring.value(seen(Metric("map", decode=decode), outputs)) == pytest.approx(1.0)


@pytest.mark.parametrize("outputs", [answers(), post_processed(answers())])
def test_a_batch_without_images_is_taken(outputs: dict[str, Array]) -> None:
    scoring: Any = as_scoring("map", indexable=True)
    none = scoring.observe({name: each[:0] for name, each in outputs.items()}, labels()[:0])
    some = scoring.observe(outputs, labels())
    assert {name: (each.shape, each.dtype) for name, each in none.items()} == {
        name: ((0,) * each.ndim, each.dtype) for name, each in some.items()
    }


def test_other_outputs_are_decoded() -> None:
    def decode(outputs: dict[str, Array]) -> Any:
        rows = outputs["raw"]
        rows[:, 4] *= 2  # the function may write to them
        return rows[:, :4], rows[:, 4], rows[:, 5]

    outputs = answers()
    columns = (outputs["boxes"], outputs["scores"][..., None], outputs["classes"][..., None])
    raw = {"raw": np.concatenate(columns, axis=2)}
    before = raw["raw"].copy()
    scoring: Any = as_scoring(Metric("map", decode=decode), indexable=True)
    assert scoring.value(seen(Metric("map", decode=decode), raw)) == pytest.approx(1.0)
    np.testing.assert_array_equal(raw["raw"], before)
    assert scoring.key is None, "another function of this name must not be taken for this one"
    assert "rows" in scoring.identity


def test_a_detector_that_knows_nothing_is_no_better_than_chance() -> None:
    scoring: Any = as_scoring("map", indexable=True)
    outputs = answers()
    order = np.random.default_rng(1).permutation(N)
    lost = seen("map", {name: each[order] for name, each in outputs.items()})
    chance = scoring.chance(lost)
    assert isinstance(chance, Chance)
    assert not chance.better
    good = scoring.chance(seen("map", outputs))
    assert good.better
    assert good.n == N
    assert good.telling == sum(len(own) > 0 for own, _ in PAIRS)
    assert good.value < 0.3


@pytest.mark.parametrize("batch", [1, 7, N])
def test_chance_never_has_an_images_own_labels(batch: int) -> None:
    """With a class of its own for each image no box is right in another image."""
    scoring: Any = as_scoring("map", indexable=True)
    pairs = [(np.array([[0, 0, 9, 9]], np.float32), np.array([at])) for at in range(N)]
    truth = box_labels("y", pairs)
    assert truth is not None
    outputs = {
        "boxes": np.tile(np.array([[[0, 0, 9, 9]]], np.float32), (N, 1, 1)),
        "scores": np.ones((N, 1), np.float32),
        "classes": np.arange(N, dtype=np.float32)[:, None],
    }
    keeper = scoring.keeper(StreamSplit("evaluation", [0], "1"))
    for at in range(0, N, batch):
        part = {name: each[at : at + batch] for name, each in outputs.items()}
        keeper.add(part, truth[at : at + batch], None)
    figures = keeper.figures(N)
    assert len(figures["other hits"]) == N
    assert not figures["other hits"].any()


def test_one_image_has_no_other() -> None:
    scoring: Any = as_scoring("map", indexable=True)
    outputs = {name: each[:1] for name, each in answers().items()}
    keeper = scoring.keeper(StreamSplit("evaluation", [0], "1"))
    keeper.add(outputs, labels()[:1], None)
    found = {**scoring.observe(outputs, labels()[:1]), **keeper.figures(1)}
    assert isinstance(scoring.chance(Evidence(found, 1, "", "")), Unchecked)


def test_groups_are_drawn_as_a_whole() -> None:
    from pytest_edgegate.stats.groups import Groups

    scoring: Any = as_scoring("map", indexable=True)
    right, near = seen("map", answers()), seen("map", answers(1.0))
    drop = scoring.worse_by(right, near, Resampling(Groups(np.arange(N) // 2)))
    assert drop.groups == N // 2
    assert drop.interval.low > 0


FLAT = {name: each[:3] for name, each in answers().items()}
REFUSED = {
    "other names": (
        {"a": np.zeros((3, 5, 4)), "b": np.zeros((3, 5))},
        labels()[:3],
        r"map reads outputs named boxes, scores and classes.* the model has 'a' \(3, 5, 4\)",
    ),
    "no boxes for labels": (FLAT, np.zeros(3, np.int64), r"the labels have the shape \(3,\)"),
    "scores of each class": (
        {**FLAT, "scores": np.zeros((3, 5, 2))},
        labels()[:3],
        r"scores of shape \(5, 2\)",
    ),
    "classes that are scores": (
        {**FLAT, "classes": FLAT["classes"] + 0.4},
        labels()[:3],
        "no whole numbers, such as",
    ),
    "a single number for each image": (
        {name: each[:, 0] if name != "boxes" else each[:, 0, 0] for name, each in FLAT.items()},
        labels()[:3],
        r"boxes of shape \(\), scores of shape \(\)",
    ),
    "fewer images in an output": (
        {**FLAT, "scores": FLAT["scores"][:2]},
        labels()[:3],
        r"different numbers of images: 'boxes' \(3, 5, 4\), 'scores' \(2, 5\)",
    ),
    "a number in place of an output": (
        {**FLAT, "scores": np.array(3.0)},
        labels()[:3],
        r"different numbers of images: .* 'scores' \(\)",
    ),
    "other images than labels": (FLAT, labels()[:2], "hold 3 images, and the batch has 2"),
    "other units": (
        {**FLAT, "boxes": FLAT["boxes"] / 64},
        labels()[:3],
        r"the boxes of the model go up to 0\.\d+, those of the labels up to \d+: shares",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_told_before_any_pass(name: str) -> None:
    outputs, given, told = REFUSED[name]
    with pytest.raises(ConfigurationError, match=told):
        as_scoring("map", indexable=True).try_on(outputs, given, None, None)


def test_every_label_is_looked_at() -> None:
    every = labels()
    every[-1, 0] = (30, 30, 10, 10, 1, 0)
    with pytest.raises(ConfigurationError, match=f"box #0 of image #{N - 1} ends before it begins"):
        as_scoring("map", indexable=True).try_on(FLAT, labels()[:3], None, every)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ((30, 30, 10, 10, 1, 0), "box #0 of image #2 of a batch ends before it begins"),
        ((0, 0, 10, 10, 1, 0.5), "box #0 of image #2 of a batch is marked by neither 0 nor 1"),
    ],
)
def test_labels_of_later_batches_are_looked_at(row: Any, told: str) -> None:
    later = labels()[:3]
    later[2, 0] = row
    with pytest.raises(ConfigurationError, match=told):
        as_scoring("map", indexable=True).observe(FLAT, later)


@pytest.mark.parametrize(
    ("decode", "told"),
    [
        (lambda _: None, "gave no boxes, scores and classes: TypeError"),
        (lambda outputs: outputs["none"], "KeyError: 'none'; it was given 'boxes' of shape"),
        (lambda _: (np.zeros((2, 4)), np.zeros(3), np.zeros(2)), r"scores of shape \(3,\)"),
        (lambda _: (np.zeros((1, 4)), [0.5], ["cat"]), "gives classes of dtype <U3, which are no"),
        (lambda _: (np.zeros((1, 4)) * 1j, [0.5], [1]), "gives boxes of dtype complex128"),
        (lambda _: (3.0, [0.5], [1]), r"gives boxes of shape \(\)"),
        (lambda _: {"boxes": [], "ids": []}, "no scores and no classes among 'boxes', 'ids'"),
        (lambda _: sys.exit(0), "gave no boxes, scores and classes: SystemExit: 0; it was"),
        (lambda _: pytest.skip("no"), "gave no boxes, scores and classes: Skipped: no; it was"),
        (lambda _: pytest.xfail("no"), "gave no boxes, scores and classes: XFailed: no; it was"),
    ],
)
def test_a_function_that_decodes_wrongly_is_named(decode: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        as_scoring(Metric("map", decode=decode), indexable=True).observe(FLAT, labels()[:3])


def test_boxes_that_are_no_numbers_find_nothing() -> None:
    outputs = answers()
    outputs["boxes"][0] = np.nan
    scoring: Any = as_scoring("map", indexable=True)
    assert scoring.value(seen("map", outputs)) < 1


ODD: dict[str, tuple[str, Any, Any]] = {
    "nan": ("boxes", np.nan, ([True, False], [0, 0], [0, 0])),
    "inf": ("scores", np.inf, ([True, False], [0, 0], [0, 0])),
    "a class that is none": ("classes", 2.4, ([False, False], [0, 0], [1, 0])),
    "a class below -1": ("classes", -2, ([False, False], [0, 0], [1, 0])),
    "a class that no integer holds": ("classes", 1e30, ([False, False], [0, 0], [1, 0])),
    "a class of an int8 output": ("classes", 1.8, ([False, False], [0, 0], [0, 0])),
    "a row of class -1": ("classes", -1, ([False, False], [0, 0], [0, 0])),
    "a row that was suppressed": ("scores", -np.inf, ([False, False], [0, 0], [0, 0])),
    "inverted": ("boxes", (9, 9, 3, 3), ([False, False], [1, 0], [0, 0])),
}
TWO = {
    "boxes": np.tile(np.array([0, 0, 9, 9], np.float32), (2, 3, 1)),
    "scores": np.full((2, 3), 0.9, np.float32),
    "classes": np.ones((2, 3), np.float32),
}


@pytest.mark.parametrize("ids", ["classes", "labels"])
def test_decode_may_give_a_dict(ids: str) -> None:
    def decode(outputs: dict[str, Array]) -> Any:
        return {ids: outputs["classes"], "scores": outputs["scores"], "boxes": outputs["boxes"]}

    scoring: Any = as_scoring("map", indexable=True)
    assert scoring.value(seen(Metric("map", decode=decode), answers())) == pytest.approx(1.0)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, pytest.fail.Exception])
def test_interrupts_and_time_limits_pass(stop: type[BaseException]) -> None:
    def decode(_: dict[str, Array]) -> Any:
        raise stop

    with pytest.raises(stop):
        as_scoring(Metric("map", decode=decode), indexable=True).observe(FLAT, labels()[:3])


@pytest.mark.parametrize("name", ODD)
def test_detections_that_cannot_be_are_counted(name: str) -> None:
    output, value, told = ODD[name]
    outputs = {key: each.copy() for key, each in TWO.items()}
    outputs[output][0, 1] = value
    truth = box_labels("y", [([[0, 0, 9, 9]], [1])] * 2)
    assert truth is not None
    figures = as_scoring("map", indexable=True).observe(outputs, truth)
    assert tuple(figures[key].tolist() for key in (NONFINITE, INVERTED, UNCLASSED)) == told


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_rows_that_fill_up_are_no_fault(fill: float) -> None:
    """Rows of score 0, and those of class -1, as suppressions of several frameworks give them."""
    outputs = {key: each.copy() for key, each in TWO.items()}
    outputs["boxes"][:, 1], outputs["scores"][:, 1], outputs["boxes"][0, 2] = (9, fill, 3, 3), 0, -1
    outputs["scores"][0, 2] = outputs["classes"][0, 2] = -1
    figures = as_scoring("map", indexable=True).observe(outputs, labels()[:2])
    assert not any(figures[key].any() for key in (NONFINITE, INVERTED, UNCLASSED))


def passes(artifact: Evidence, reference: Evidence) -> Any:
    return SimpleNamespace(
        scoring=as_scoring("map", indexable=True),
        resampling=Resampling(),
        paired=lambda: Paired(reference, artifact),
        reference=lambda: reference,
        predictions=lambda: artifact,
        cautions=tuple,
    )


FILE: Any = SimpleNamespace(artifact=SimpleNamespace(made=False, recipe=()))


def test_what_cannot_be_is_told_of_model_and_artifact() -> None:
    good, odd = answers(), answers()
    odd["boxes"][:3, 4], odd["scores"][:3, 4] = (9, 9, 3, 3), 0.1
    odd["classes"][5, 4], odd["scores"][5, 4] = 7.5, 0.1
    artifact, reference = seen("map", odd), seen("map", good)
    told = "of the boxes of the artifact, 3 end before they begin .* on 3 of 40 images"
    for measure in (accuracy_drop, accuracy_drop_relative):
        found: Any = measure(passes(artifact, reference), FILE)
        assert re.search(told, found.remark)
        assert "of the boxes of the artifact, 1 have a class that is no whole" in found.remark
        assert "model under test" not in found.remark
        found = measure(passes(reference, artifact), FILE)
        assert re.search(told.replace("artifact", "model under test"), found.remark)
    assert re.search(told, accuracy_min(passes(artifact, reference)).remark)  # type: ignore[union-attr]


def test_what_decode_makes_of_finite_outputs_is_nan_as_elsewhere() -> None:
    def decode(given: dict[str, Array]) -> Any:
        with np.errstate(divide="ignore"):
            return given["boxes"], np.log(1 / (1 - given["scores"])), given["classes"]

    outputs = answers()
    outputs["scores"][4, 0] = 1  # of an int8 file
    scoring: Any = as_scoring(Metric("map", decode=decode), indexable=True)
    truth, collector = labels(), Collector()
    split = ArraySplit("evaluation", (np.zeros((N, 1)),), truth, None)
    (batch,) = split.batches()
    collector.add(batch, tuple(outputs.values()), scoring.observe(outputs, truth))
    odd, good = collector.evidence("host:fake"), seen("map", answers())
    told = (
        " gives NaN or Inf (boxes, scores or classes, as decode or the outputs have them) on 1 of "
        "40 samples, first on sample 4"
    )
    found: Any = accuracy_min(passes(odd, good))
    assert found.nonfinite == f"the artifact{told}"
    found = accuracy_drop(passes(odd, odd), FILE)
    assert found.nonfinite == f"the reference{told}", "it is no fault of the artifact"
    assert found.in_reference


@pytest.mark.parametrize("value", [-2, 0.3])
def test_the_model_under_test_has_no_such_classes(value: float) -> None:
    outputs = {name: each.copy() for name, each in FLAT.items()}
    outputs["classes"][1, 0] = value
    with pytest.raises(ConfigurationError, match=f"such as {value}, or below 0"):
        as_scoring("map", indexable=True).try_on(outputs, labels()[:3], None, None)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (Metric("map", output=0), "no single output to choose"),
        (Metric("top1", decode=len), "only the metrics map and map50 decode"),
        (Metric(len, decode=len), "only the metrics map and map50 decode"),
    ],
)
def test_settings_that_it_does_not_have(given: Metric, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        as_scoring(given, indexable=True)


@pytest.mark.parametrize("name", ["mAP", "mean_ap", "map_50_95", "AP"])
def test_other_names_are_understood(name: str) -> None:
    with pytest.raises(UnknownNameError) as raised:
        as_scoring(name, indexable=True)
    assert "'map'" in raised.value.message + raised.value.remedy


def test_labels_without_any_box_have_no_figure() -> None:
    scoring: Any = as_scoring("map", indexable=True)
    none = box_labels("y", [([], [])] * 3)
    assert none is not None
    keeper = scoring.keeper(StreamSplit("evaluation", [0], "1"))
    keeper.add(FLAT, none, None)
    found = {**scoring.observe(FLAT, none), **keeper.figures(3)}
    with pytest.raises(ConfigurationError, match="the labels have no box in any image"):
        scoring.chance(Evidence(found, 3, "", ""))


def tried(outputs: dict[str, Array], truth: Array) -> None:
    scoring: Any = as_scoring("map", indexable=True)
    scoring.try_on({name: each[:8] for name, each in outputs.items()}, truth[:8], None, truth)


def swapped(boxes: Array) -> Array:
    return boxes[..., [1, 0, 3, 2]]


def sizes(boxes: Array) -> Array:
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], -1)


def centres(boxes: Array) -> Array:
    return np.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2, sizes(boxes)[..., 2:]], -1)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (swapped, "the boxes of the model or the labels seem to be in another form, y before x"),
        (sizes, "the boxes of the model seem to be in another form, x y width height"),
        (centres, "the boxes of the model seem to be in another form, centre x, centre y"),
    ],
)
def test_boxes_in_another_form_are_named_before_any_pass(form: Any, told: str) -> None:
    outputs = answers()
    tried(outputs, labels())
    with pytest.raises(ConfigurationError) as caught:
        tried({**outputs, "boxes": form(outputs["boxes"])}, labels())
    assert caught.value.message.startswith(told)
    assert "boxes[:" in caught.value.remedy


@pytest.mark.parametrize(("shift", "side"), [(1, "high"), (-1, "low")])
def test_classes_that_count_otherwise_are_named(shift: int, side: str) -> None:
    truth = labels()
    truth[:, :, 4] = np.where(truth[:, :, 4] >= 0, truth[:, :, 4] + 1, -1)
    outputs = answers()
    outputs["classes"] = outputs["classes"] + 1
    tried(outputs, truth)
    with pytest.raises(ConfigurationError, match=f"classes that are 1 too {side}"):
        tried({**outputs, "classes": outputs["classes"] + shift}, truth)


def test_a_poor_detector_is_poor_in_every_form() -> None:
    """Neither few of the objects, nor boxes at random, are a matter of their form."""
    outputs = answers()
    few = np.where(RANDOM.random(outputs["scores"].shape) < 0.2, outputs["scores"], 0)
    boxes = np.where(few[..., None] > 0, outputs["boxes"], 0)
    tried({**outputs, "scores": few, "boxes": boxes}, labels())
    anywhere = RANDOM.integers(0, 40, outputs["boxes"].shape).astype(np.float32)
    anywhere[..., 2:] = anywhere[..., :2] + RANDOM.integers(1, 30, anywhere[..., 2:].shape)
    tried({**outputs, "boxes": anywhere}, labels())


@pytest.mark.parametrize(("count", "provable"), [(19, False), (20, True)])
def test_few_images_prove_nothing(count: int, provable: bool) -> None:
    reference, artifact = (seen("map", answers(shift)) for shift in (0.0, 2.0))
    scoring: Any = as_scoring("map", indexable=True)
    rows = np.arange(count)
    drop = scoring.worse_by(reference.at(rows), artifact.at(rows))
    assert drop.provable is provable
    assert ("19 samples can't prove anything" in drop.unprovable) is not provable
