"""Metrics and the figure of the reference: chance, groups, and bounded bootstraps."""

from __future__ import annotations

from typing import Any

import pytest

CONFTEST = """

import numpy as np

from pytest_edgegate import EdgeData, Metric
from pytest_edgegate.testing.fakes import fake_samples


@pytest.fixture
def edge_metric(request):
    mark = request.node.get_closest_marker("metric")
    return "top1" if mark is None else mark.args[0]


def labelled(kind, y):
    kinds = {"one-hot": lambda: np.eye(10, dtype=np.float32)[y], "column": lambda: y[:, None]}
    return kinds.get(kind, lambda: y)()


@pytest.fixture
def edge_data(request):
    mark = request.node.get_closest_marker("data")
    what = {} if mark is None else dict(mark.kwargs)
    x, y = fake_samples(what.pop("count", 200))
    classes, same = what.pop("classes", 10), what.pop("same", 0)
    y = y % classes
    y[:same] = 0
    x[:, 1] = y
    y = labelled(what.pop("kind", ""), y)
    evaluation = (x, y)
    if what.pop("stream", False):
        evaluation = [(x[at : at + 50], y[at : at + 50]) for at in range(0, len(x), 50)]
        what["version"] = f"{len(x)} samples"
    train, calibration = fake_samples(100, start=20_000), fake_samples(20, start=10_000)[0]
    return EdgeData(train=train, calibration=calibration, evaluation=evaluation, **what)
"""
HEAD = """
import numpy as np
import pytest

from pytest_edgegate import Metric

budget, model, metric = pytest.mark.edge_budget, pytest.mark.model, pytest.mark.metric
data = pytest.mark.data


def right(outputs, labels):
    return outputs.argmax(axis=1) == labels


def score(outputs, labels):
    return -(outputs.argmax(axis=1) != labels).astype(float)


def share_of_right(outputs, labels):
    return float(right(outputs, labels).mean())


def any_label(outputs, labels):
    return outputs.max(axis=1) + np.arange(len(outputs))


def any_label_of_the_set(outputs, labels):
    return float(outputs.max(axis=1).mean())


def only_sorted(outputs, labels):
    if (np.diff(labels.astype(int)) < -9).any() or labels[0] or labels[1] != 1:
        raise RuntimeError("these labels are not mine")
    return right(outputs, labels).astype(float)
"""
METRICS = {  # name: (as given, about the data)
    "top1": ('"top1"', ""),
    "top3": ('"top3"', ""),
    "auc": ('"auc"', "classes=2"),
    "miou": ('"miou"', 'kind="column"'),
    "mse": ('"mse"', 'kind="one-hot"'),
    "mae": ('"mae"', 'kind="one-hot"'),
    "mse_of_a_stream": ('"mse"', 'kind="one-hot", stream=True'),
    "mae_of_a_stream": ('"mae"', 'kind="one-hot", stream=True'),
    "own_right": ("Metric(right)", ""),
    "own_score": ("Metric(score)", ""),
    "own_set": ("Metric(share_of_right, per_sample=False)", ""),
    "own_of_a_stream": ("Metric(score)", "stream=True"),
    "own_right_of_a_stream": ("Metric(right)", "stream=True"),
    "own_lower": (
        "Metric(lambda outputs, labels: ~right(outputs, labels), higher_is_better=False)",
        "",
    ),
}
DROPS = {"mse": 1, "mae": 1, "own_score": 20, "mse_of_a_stream": 1, "mae_of_a_stream": 1}


def case(name: str, given: str, about: str, wrong: str, more: str = "") -> str:
    kind = name.partition("__")[0]
    classes = "classes=2, " if "classes=2" in about else ""
    limit = DROPS.get(kind, 20 if "stream" in kind else 0.4)
    return f"""

@metric({given})
@model({classes}wrong={wrong}, ptq_wrong={wrong})
@data({about}{", " if about and more else ""}{more})
@budget(accuracy_drop={limit})
def test_{name}(edge_ptq): ...
"""


REFERENCES = HEAD + "".join(
    case(f"{name}__wrong", given, about, "range(2000)")
    + case(f"{name}__wrong_and_trusted", given, about, "range(2000)", "reference_check=False")
    + case(f"{name}__few", given, about, "range(2000)", "count=50")
    + case(f"{name}__healthy", given, about, "range(20)")
    for name, (given, about) in METRICS.items()
)


@pytest.fixture
def conftest(inner_conftest: str) -> str:
    marks = "".join(
        f'    config.addinivalue_line("markers", "{each}")\n'
        for each in ("metric(given): the edge_metric", "data(**what): about edge_data")
    )
    first = '    config.addinivalue_line("markers", "samples('
    return inner_conftest.replace(first, f"{marks}{first}") + CONFTEST


@pytest.fixture
def referred(play: Any, conftest: str) -> Any:
    files = {"test_it.py": REFERENCES, "conftest.py": conftest}
    return play(files, "--edge-target=fake-board", "-v")


@pytest.mark.parametrize("name", METRICS)
def test_a_reference_that_is_no_better_than_chance_is_an_error(referred: Any, name: str) -> None:
    test = f"test_{name}__wrong"
    assert referred.letter(test) == "E"
    referred.assert_fault(
        referred.text(test),
        "the model under test has ",
        "which is not proven better than",
        "reference_check=False",
        "edge_reference_check = false",
    )
    assert "accuracy_drop" not in referred.verdicts(test)


@pytest.mark.parametrize("name", METRICS)
def test_it_can_be_trusted_for_one_model(referred: Any, name: str) -> None:
    assert referred.letter(f"test_{name}__wrong_and_trusted") == "."


@pytest.mark.parametrize("name", METRICS)
def test_with_few_samples_it_is_a_warning(referred: Any, name: str) -> None:
    assert referred.letter(f"test_{name}__few") == "."
    warned = referred.output.split("warnings summary")[1].split("-- Docs")[0]
    assert f"test_{name}__few[fake-board]" in warned
    assert f"test_{name}__healthy[fake-board]" not in warned


@pytest.mark.parametrize("name", METRICS)
def test_a_right_reference_is_taken(referred: Any, name: str) -> None:
    test = f"test_{name}__healthy"
    assert referred.letter(test) == ".", referred.text(test)
    assert "caution" not in referred.verdicts(test)["accuracy_drop"]["reason"]


def test_the_ini_turns_the_check_off_for_all(play: Any, conftest: str) -> None:
    files = {"test_it.py": REFERENCES, "conftest.py": conftest}
    ran = play(files, "--edge-target=fake-board", ini="edge_reference_check = false")
    assert ran.status == 0
    assert "not proven better" not in ran.output


ODD = (
    HEAD
    + """

@data(same=195)
@model(wrong=range(195, 200), ptq_wrong=range(195, 200))
@budget(accuracy_drop=0.01)
def test_five_samples_of_other_classes(edge_ptq): ...


@data(same=200)
@budget(accuracy_drop=0.01)
def test_one_class(edge_ptq): ...


@metric(Metric(any_label))
@budget(accuracy_drop=0.4)
def test_a_metric_without_labels(edge_ptq): ...


@metric(Metric(any_label_of_the_set, per_sample=False))
@budget(accuracy_drop=0.4)
def test_a_metric_of_the_set_without_labels(edge_ptq): ...


@metric(Metric(only_sorted))
@budget(accuracy_drop=0.4)
def test_a_metric_that_raises_on_shuffles(edge_ptq): ...


@metric(Metric(lambda outputs, labels: float("nan") if labels[0] else 1.0, per_sample=False))
@budget(accuracy_drop=0.4)
def test_nan_on_shuffles(edge_ptq): ...


@metric(Metric(lambda outputs, labels: -((outputs * 5 - np.eye(10)[labels]) ** 2).sum(axis=1)))
@budget(accuracy_drop=0.4)
def test_worse_than_its_mean_output(edge_ptq): ...


@model(wrong=range(20), ptq_wrong=[])
@budget(accuracy_drop=0.01)
def test_a_gain(edge_ptq): ...


@model(wrong=range(3), ptq_wrong=[])
@budget(accuracy_drop=0.01)
def test_a_small_gain(edge_ptq): ...


@model(wrong=range(20), ptq_wrong=[])
@budget(accuracy_drop_relative=0.01)
def test_a_relative_gain(edge_ptq): ...


@metric(Metric(right))
@model(wrong=range(20), ptq_wrong=[])
@budget(accuracy_drop=0.01)
def test_a_gain_of_an_own_metric(edge_ptq): ...


@model(wrong=range(20), ptq_wrong=[])
@budget(accuracy_drop=0.01)
def test_a_gain_by_training(edge_qat): ...


@budget(accuracy_min=95)
def test_percent(edge_ptq): ...


@metric(Metric(score))
@budget(accuracy_min=-5)
def test_a_floor_of_an_own_metric(edge_ptq): ...


@metric("mse")
@data(kind="one-hot")
@budget(accuracy_min=95)
def test_a_ceiling_of_an_error(edge_ptq): ...


@metric(Metric(lambda outputs, labels: outputs["none"]))
@model(outputs=["first", "second"])
@budget(accuracy_drop=0.4)
def test_a_function_that_raises(edge_ptq): ...


@metric(Metric(lambda outputs, labels: [str(each) for each in labels]))
@budget(accuracy_drop=0.4)
def test_scores_that_are_no_numbers(edge_ptq): ...


@metric(Metric(lambda outputs, labels: outputs, per_sample=False))
@budget(accuracy_drop=0.4)
def test_a_figure_that_is_no_number(edge_ptq): ...
"""
)


@pytest.fixture
def odd(play: Any, conftest: str) -> Any:
    return play({"test_it.py": ODD, "conftest.py": conftest}, "--edge-target=fake-board", "-v")


@pytest.mark.parametrize("name", ["five_samples_of_other_classes", "one_class"])
def test_what_too_few_samples_could_prove_is_a_warning(odd: Any, name: str) -> None:
    assert odd.letter(f"test_{name}") == "."
    assert "not proven better than always answering class 0" in odd.output


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a_metric_without_labels", "any_label gives the same figure with the labels of other"),
        ("a_metric_of_the_set_without_labels", "gives the same figure with the labels of other"),
        ("a_metric_that_raises_on_shuffles", "only_sorted gives no number with the labels of"),
        ("nan_on_shuffles", "<lambda> gives no number with the labels of other samples"),
    ],
)
def test_what_can_not_be_checked_is_told(odd: Any, name: str, reason: str) -> None:
    assert odd.letter(f"test_{name}") == ".", odd.text(f"test_{name}")
    told = odd.verdicts(f"test_{name}")["accuracy_drop"]["reason"]
    assert "caution: the model under test was not compared with chance" in told
    assert reason in told
    assert reason in odd.unwrapped


def test_a_reference_worse_than_its_mean_output_is_a_caution(odd: Any) -> None:
    assert odd.letter("test_worse_than_its_mean_output") == "."
    told = odd.verdicts("test_worse_than_its_mean_output")["accuracy_drop"]["reason"]
    assert "caution: the model under test has <lambda> -16, which is not better than that" in told


@pytest.mark.parametrize("policy", ["point", "lenient", "strict"])
def test_a_gain_without_training_is_a_caution_under_every_policy(
    play: Any, conftest: str, policy: str
) -> None:
    files = {"test_it.py": ODD, "conftest.py": conftest}
    arguments = ("--edge-target=fake-board", "-k", "gain")
    ran = play(files, *arguments, f"--edge-policy={policy}")
    for name, metric in (
        ("test_a_gain", "accuracy_drop"),
        ("test_a_relative_gain", "accuracy_drop_relative"),
    ):
        verdict = ran.verdicts(name)[metric]
        assert (ran.letter(name), verdict["outcome"], verdict["proven"]) == (".", "pass", True)
        assert "caution: the artifact is better than the model under test" in verdict["reason"]
        assert f"{metric}: caution: the artifact is better" in ran.output
    for name in ("small_gain", "gain_of_an_own_metric", "gain_by_training"):
        assert "caution" not in ran.verdicts(f"test_a_{name}")["accuracy_drop"]["reason"]


def test_a_floor_in_percent_is_refused_before_the_work(odd: Any) -> None:
    assert odd.letter("test_percent") == "E"
    odd.assert_fault(odd.text("test_percent"), "accuracy_min=95 is above the highest top1")
    assert odd.text("test_percent").splitlines()[-1] == "did you mean 0.95?"
    assert odd.letter("test_a_floor_of_an_own_metric") == "."
    assert odd.letter("test_a_ceiling_of_an_error") == "."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a_function_that_raises", "raised KeyError: 'none' when it was given the output 'first'"),
        ("scores_that_are_no_numbers", "gave an array of dtype <U1, which is not a number"),
        ("a_figure_that_is_no_number", "gave a ndarray of shape (200, 10) where one number is"),
    ],
)
def test_a_fault_of_the_users_function_is_an_error_of_ours(odd: Any, name: str, words: str) -> None:
    assert odd.letter(f"test_{name}") == "E"
    odd.assert_fault(odd.text(f"test_{name}"), words)


FORMS = (
    HEAD
    + """

def of_both(outputs, labels):
    assert sorted(outputs) == ["first", "second"]
    return (outputs["first"].argmax(axis=1) == labels) & (
        outputs["second"].argmax(axis=1) == (labels + 1) % 10
    )


def from_inputs(outputs, labels, inputs):
    return outputs.argmax(axis=1) == inputs[:, 1].astype(int)


def share_from_inputs(outputs, labels, inputs):
    return float(from_inputs(outputs, labels, inputs).mean())


@metric(Metric(of_both))
@model(outputs=["first", "second"], wrong=range(2), ptq_wrong=range(6))
@budget(accuracy_drop=0.05)
def test_all_outputs(edge_ptq): ...


@metric(Metric(of_both))
@data(stream=True)
@model(outputs=["first", "second"], wrong=range(2), ptq_wrong=range(6))
@budget(accuracy_drop=0.05)
def test_all_outputs_of_a_stream(edge_ptq): ...


@metric(Metric(lambda outputs, labels: float(of_both(outputs, labels).mean()), per_sample=False))
@model(outputs=["first", "second"], wrong=range(2), ptq_wrong=range(6))
@budget(accuracy_drop=0.05)
def test_all_outputs_of_the_set(edge_ptq): ...


@metric(Metric("top1", output="first"))
@model(outputs=["first", "second"], wrong=range(2), ptq_wrong=range(6))
@budget(accuracy_drop=0.05)
def test_one_output(edge_ptq): ...


@model(outputs=["first", "second"])
@budget(accuracy_drop=0.05)
def test_top1_of_two_outputs(edge_ptq): ...


@metric(Metric(from_inputs, wants_inputs=True))
@model(wrong=range(2), ptq_wrong=range(6))
@budget(accuracy_drop=0.05)
def test_inputs(edge_ptq): ...


@metric(Metric(share_from_inputs, wants_inputs=True, per_sample=False))
@model(wrong=range(2), ptq_wrong=range(6))
@budget(accuracy_drop=0.05)
def test_inputs_of_the_set(edge_ptq): ...


@metric(Metric(from_inputs, wants_inputs=True))
@data(stream=True)
@model(wrong=range(2), ptq_wrong=range(6))
@budget(accuracy_drop=0.05)
def test_inputs_of_a_stream(edge_ptq): ...


@metric(Metric("top1", wants_inputs=True))
@budget(accuracy_drop=0.05)
def test_inputs_of_a_built_in_metric(edge_ptq): ...
"""
)


@pytest.fixture
def formed(again: Any, conftest: str) -> Any:
    return again({"test_it.py": FORMS, "conftest.py": conftest}, "--edge-target=fake-board", "-v")


FORMED = (
    "all_outputs",
    "all_outputs_of_a_stream",
    "all_outputs_of_the_set",
    "one_output",
    "inputs",
    "inputs_of_the_set",
    "inputs_of_a_stream",
)


def test_a_function_takes_all_outputs_and_the_inputs(
    formed: Any, again: Any, conftest: str
) -> None:
    files = {"test_it.py": FORMS, "conftest.py": conftest}
    warm = again(files, "--edge-target=fake-board", "-v")
    for name in FORMED:
        for ran in (formed, warm):
            assert ran.letter(f"test_{name}") == ".", ran.text(f"test_{name}")
            measured = ran.verdicts(f"test_{name}")["accuracy_drop"]["measured"]
            assert measured["value"] == pytest.approx(0.02)
    kept = warm.verdicts("test_all_outputs")["accuracy_drop"]["measured"]["cached"]
    assert kept is True
    formed.assert_fault(formed.text("test_top1_of_two_outputs"), "the model has 2 outputs")
    formed.assert_fault(formed.text("test_inputs_of_a_built_in_metric"), "does not read the inputs")


GROUPED = (
    HEAD
    + """
windows = np.arange(200) // 4
subjects = np.array(["Ann", "Bob", "Cay", "Dan"])[np.arange(200) % 4]


@metric(Metric("top1", groups=windows))
@model(ptq_wrong=range(8))
@budget(accuracy_drop=0.2)
def test_proven(edge_ptq): ...


@metric(Metric("top1", groups=windows))
@model(ptq_wrong=range(8))
@budget(accuracy_drop=0.05, accuracy_min=0.9, parity_agreement=0.9, accuracy_drop_relative=0.5)
def test_not_proven(edge_ptq): ...


@model(ptq_wrong=range(8))
@budget(accuracy_drop=0.05)
def test_without_groups(edge_ptq): ...


@metric(Metric("top1", groups=subjects))
@model(ptq_wrong=range(8), other_wrong=range(3))
@budget(accuracy_drop=0.4, accuracy_min=0.5, parity_agreement=0.5, accuracy_drop_relative=0.5)
def test_few_groups(edge_ptq): ...


@metric(Metric(share_of_right, per_sample=False, groups=windows))
@model(ptq_wrong=range(8))
@budget(accuracy_drop=0.2)
def test_of_the_set(edge_ptq): ...


@metric(Metric(right, groups=windows))
@data(stream=True)
@model(ptq_wrong=range(8))
@budget(accuracy_drop=0.2)
def test_of_a_stream(edge_ptq): ...


@metric(Metric("top1", groups=windows[:-1]))
@budget(accuracy_drop=0.2)
def test_too_short(edge_ptq): ...


@metric(Metric(right, groups=windows[:-1]))
@data(stream=True)
@budget(accuracy_drop=0.2)
def test_too_short_for_a_stream(edge_ptq): ...


@metric(Metric("top1", groups=np.stack([windows, windows])))
@budget(accuracy_drop=0.2)
def test_of_two_axes(edge_ptq): ...
"""
)


@pytest.fixture
def grouped(play: Any, conftest: str) -> Any:
    return play({"test_it.py": GROUPED, "conftest.py": conftest}, "--edge-target=fake-board")


def test_groups_widen_every_interval(grouped: Any) -> None:
    alone = grouped.verdicts("test_without_groups")["accuracy_drop"]["measured"]
    found = grouped.verdicts("test_not_proven")
    by_groups = found["accuracy_drop"]["measured"]
    assert by_groups["value"] == alone["value"] == 0.04
    assert by_groups["high"] > alone["high"]
    assert (by_groups["n"], by_groups["groups"]) == (200, 50)
    assert "groups" not in alone
    for metric, verdict in found.items():
        if metric != "contract" and verdict["measured"]["low"] != verdict["measured"]["high"]:
            assert verdict["measured"]["method"].endswith("by 50 groups"), metric
    reason = found["accuracy_drop"]["reason"]
    assert "50 groups can't prove it; about " in reason


@pytest.mark.parametrize("name", ["test_proven", "test_of_the_set", "test_of_a_stream"])
def test_twenty_groups_and_more_can_prove(grouped: Any, name: str) -> None:
    verdict = grouped.verdicts(name)["accuracy_drop"]
    assert (verdict["outcome"], verdict["proven"]) == ("pass", True)
    assert verdict["measured"]["groups"] == 50


def test_fewer_than_twenty_groups_prove_nothing(grouped: Any) -> None:
    found = grouped.verdicts("test_few_groups")
    assert grouped.letter("test_few_groups") == "."
    for metric in ("accuracy_drop", "accuracy_min", "accuracy_drop_relative", "parity_agreement"):
        assert found[metric]["outcome"] == "pass"
        assert found[metric]["proven"] is False
        assert "4 groups can't prove anything: it takes at least 20" in found[metric]["reason"]


def test_groups_that_do_not_fit_are_told_before_the_work(grouped: Any) -> None:
    assert grouped.letter("test_too_short") == "E"
    grouped.assert_fault(grouped.text("test_too_short"), "of 199 samples, and there are 200")
    assert grouped.letter("test_of_two_axes") == "E"
    grouped.assert_fault(grouped.text("test_of_two_axes"), "they have shape (2, 200)")
    assert grouped.letter("test_too_short_for_a_stream") == "E"
    grouped.assert_fault(
        grouped.text("test_too_short_for_a_stream"), "of 199 samples, and there are 200"
    )


TIMED = (
    HEAD
    + """

@metric(Metric(share_of_right, per_sample=False))
@model(ptq_wrong=range(8))
@budget(accuracy_drop=0.2)
def test_of_the_set(edge_ptq): ...


@metric(Metric(score))
@model(ptq_wrong=range(8))
@budget(accuracy_drop=2)
def test_of_samples(edge_ptq): ...


@metric(Metric(lambda outputs, labels: float(len(np.unique(outputs[:, :1] * 0 + labels[:, None]))),
               per_sample=False))
@data(reference_check=False, count=10)
@budget(accuracy_min=8)
def test_distinct(edge_ptq): ...
"""
)


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [("point", "pass"), ("lenient", "inconclusive"), ("strict", "inconclusive")],
)
@pytest.mark.parametrize("name", ["test_of_the_set", "test_of_samples"])
def test_a_bootstrap_without_time_decides_nothing(
    play: Any, conftest: str, policy: str, outcome: str, name: str
) -> None:
    files = {"test_it.py": TIMED, "conftest.py": conftest}
    arguments = ("--edge-target=fake-board", f"--edge-policy={policy}")
    ran = play(files, *arguments, ini="edge_bootstrap_time = 1 us")
    verdict = ran.verdicts(name)["accuracy_drop"]
    assert (verdict["outcome"], verdict["proven"]) == (outcome, False)
    measured = verdict["measured"]
    assert measured["value"] is not None
    assert (measured["low"], measured["high"]) == (None, None)
    assert "500 resamples would take about" in verdict["reason"]
    assert "edge_bootstrap_time is 1 us" in verdict["reason"]
    if policy != "point":
        assert ran.letter(name) == "F"
        assert "edge_bootstrap_time = " in ran.text(name).splitlines()[-1]


def test_a_bootstrap_without_time_may_be_allowed(play: Any, conftest: str) -> None:
    files = {"test_it.py": TIMED, "conftest.py": conftest}
    ran = play(
        files,
        "--edge-target=fake-board",
        "--edge-policy=strict",
        "--edge-allow-unmeasured=accuracy_drop",
        ini="edge_bootstrap_time = 1 us",
    )
    assert ran.letter("test_of_the_set") == "."
    assert ran.verdicts("test_of_the_set")["accuracy_drop"]["allowed"] is True


def test_an_interval_that_does_not_hold_its_figure_proves_nothing(play: Any, conftest: str) -> None:
    ran = play({"test_it.py": TIMED, "conftest.py": conftest}, "--edge-target=fake-board")
    verdict = ran.verdicts("test_distinct")["accuracy_min"]
    assert (verdict["outcome"], verdict["proven"]) == ("pass", False)
    assert verdict["measured"]["value"] == 10
    assert verdict["measured"]["high"] < 10
    assert "does not hold the figure itself, 10" in verdict["reason"]
    assert ran.verdicts("test_of_the_set")["accuracy_drop"]["proven"] is True


NPZ = """
import numpy as np
from pytest_edgegate.testing.fakes import fake_model, fake_samples

x, y = fake_samples(250)
np.savez("own.npz", x=x, y=y, groups=np.arange(250) // 5)
np.savez("short.npz", x=x, y=y, groups=np.arange(200) // 5)
fake_model(__import__("pathlib").Path("m.fake"), ptq_wrong=list(range(6)))
"""


def test_groups_of_an_npz_file(again: Any, inner_conftest: str) -> None:
    files = {"conftest.py": f"{inner_conftest}\n{NPZ}"}
    given = ("--edge-target=fake-board", "--edge-model=m.fake")
    again(files)  # writes the files
    ran = again(files, *given, "--edge-data=own.npz")
    (verdict,) = (
        each for each in ran.report["verdicts"] if each["budget"]["metric"] == "accuracy_drop"
    )
    assert verdict["measured"]["n"] == 200  # a fifth of the samples calibrates
    assert verdict["measured"]["groups"] == 50
    short = again(files, *given, "--edge-data=short.npz")
    assert "groups has shape (200,), and x has shape (250, 2)" in short.output
