"""How figures are compared, spelt and remembered."""

from __future__ import annotations

from typing import Any

import pytest


def case(name: str, budget: str, model: str = "", samples: int = 100) -> str:
    return (
        f"@pytest.mark.samples({samples})\n@pytest.mark.model({model})\n"
        f"@pytest.mark.edge_budget({budget})\ndef test_{name}(edge_ptq): ...\n\n\n"
    )


COMPARED = {  # name: (budget, model, samples, whether it holds)
    "drop_at_its_limit": ("accuracy_drop=0.01", "wrong=range(3), ptq_wrong=range(4)", 100, True),
    "drop_above": ("accuracy_drop=0.00999", "wrong=range(3), ptq_wrong=range(4)", 100, False),
    "drop_of_29_in_1000": ("accuracy_drop=0.029", "ptq_wrong=range(29)", 1000, True),
    "drop_of_57_in_1000": ("accuracy_drop=0.057", "ptq_wrong=range(57)", 1000, True),
    "drop_of_58_in_1000": ("accuracy_drop=0.057", "ptq_wrong=range(58)", 1000, False),
    "drop_in_percent": ("accuracy_drop='1 %'", "wrong=range(3), ptq_wrong=range(4)", 100, True),
    "drop_in_tenths_of_percent": ("accuracy_drop='0.7%'", "ptq_wrong=range(7)", 1000, True),
    "drop_of_zero": ("accuracy_drop=0", "wrong=range(4), ptq_wrong=range(4)", 100, True),
    "one_more_than_zero": ("accuracy_drop=0", "wrong=range(3), ptq_wrong=range(4)", 100, False),
    "relative": ("accuracy_drop_relative=0.1", "wrong=range(10), ptq_wrong=range(19)", 100, True),
    "relative_over": (
        "accuracy_drop_relative=0.0999",
        "wrong=range(10), ptq_wrong=range(19)",
        100,
        False,
    ),
    "floor": ("accuracy_min=0.93", "ptq_wrong=range(7)", 100, True),
    "below_floor": ("accuracy_min=0.93", "ptq_wrong=range(8)", 100, False),
    "floor_in_percent": ("accuracy_min='93 %'", "ptq_wrong=range(7)", 100, True),
    "agreement": ("parity_agreement=0.93", "other_wrong=range(7)", 100, True),
    "agreement_below": ("parity_agreement=0.93", "other_wrong=range(8)", 100, False),
    "within_lsb_of_20": ("parity_within_lsb=0.96", "other_wrong=range(20)", 100, True),
    "within_lsb_of_30": ("parity_within_lsb=0.94", "other_wrong=range(30)", 100, True),
    "within_lsb_of_all": ("parity_within_lsb=0.8", "other_wrong=range(100)", 100, True),
    "within_lsb_of_70": ("parity_within_lsb=0.86", "other_wrong=range(70)", 100, True),
    "within_lsb_over": ("parity_within_lsb=0.861", "other_wrong=range(70)", 100, False),
    "compression": ("compression=4", "", 100, True),
    "compression_over": ("compression=4.0000001", "", 100, False),
}
LIMITS = {  # what is written: (metric, limit in the metric's unit)
    "'120 kB'": ("size", 120_000),
    "'120KB'": ("size", 120_000),
    "'120kB'": ("size", 120_000),
    "120000": ("size", 120_000),
    "'120_000'": ("size", 120_000),
    "'1 KiB'": ("size", 1024),
    "'1 MiB'": ("size", 1024**2),
    "'1.5 MB'": ("size", 1_500_000),
    "'1000 B'": ("size", 1000),
    "1000": ("size", 1000),
    "'1.2 M'": ("parameters", 1_200_000),
    "'0.5 k'": ("parameters", 500),
    "'6 ms'": ("latency_p95", 0.006),
    "'900 us'": ("latency_p95", 0.0009),
    "'900 µs'": ("latency_p95", 0.0009),
    "'900 μs'": ("latency_p95", 0.0009),
    "'0.006 s'": ("latency_p95", 0.006),
    "'1 %'": ("accuracy_drop", 0.01),
    "'0.01'": ("accuracy_drop", 0.01),
    "0.01": ("accuracy_drop", 0.01),
    "'99 %'": ("parity_agreement", 0.99),
    "'30 dB'": ("sqnr_db", 30.0),
}
OWN = """
import pytest

from pytest_edgegate import Metric


@pytest.fixture
def edge_metric(request):
    mark = request.node.get_closest_marker("metric")
    return "top1" if mark is None else mark.args[0]


metric, budget = pytest.mark.metric, pytest.mark.edge_budget


@budget(accuracy_drop=1)
def test_bounded_top1(edge_ptq): ...


@budget(accuracy_drop=0.5)
def test_bounded_at_half(edge_ptq): ...


@budget(accuracy_drop=0.49)
def test_bounded_below_half(edge_ptq): ...


@budget(accuracy_drop="80 %")
def test_bounded_percent(edge_ptq): ...


@metric("top5")
@budget(accuracy_drop=1)
def test_bounded_top5(edge_ptq): ...


@metric("auc")
@budget(accuracy_drop=1)
def test_bounded_auc(edge_ptq): ...


@metric("miou")
@budget(accuracy_drop=1)
def test_bounded_miou(edge_ptq): ...


@budget(accuracy_drop=1)
def test_bounded_by_gate(edge_gate): ...


def test_bounded_by_hand(edge_ptq, edge_gate):
    edge_gate.accuracy(edge_ptq, drop=1)


@metric("mse")
@budget(accuracy_drop=2)
def test_free_mse(edge_ptq, one_hot): ...


@metric("mae")
@budget(accuracy_drop=0.5)
def test_free_mae(edge_ptq, one_hot): ...


@metric(Metric(lambda outputs, labels: outputs.max(axis=1) * 50))
@budget(accuracy_drop=30)
def test_free_own(edge_ptq): ...


@metric("top3")
@budget(accuracy_drop=0.01)
def test_other_top_n(edge_ptq): ...


@metric("top-1")
@budget(accuracy_drop=0.01)
def test_unknown_metric(edge_ptq): ...


@metric(Metric(lambda outputs, labels: outputs.argmax(axis=1) == labels))
@pytest.mark.model(ptq_wrong=range(4), wrong=range(2))
@budget(accuracy_drop=0.01)
def test_own_of_booleans(edge_ptq): ...


@metric(Metric(lambda outputs, labels: float((outputs.argmax(axis=1) == labels).mean()),
               per_sample=False))
@pytest.mark.model(ptq_wrong=range(20))
@budget(accuracy_drop=0.01)
def test_own_of_the_set(edge_ptq): ...


@metric(Metric(lambda outputs, labels: outputs.argmax(axis=1) != labels, higher_is_better=False))
@pytest.mark.model(ptq_wrong=range(20))
@budget(accuracy_drop=0.01, accuracy_min=0.1)
def test_lower_is_better(edge_ptq): ...


@metric("mse")
@pytest.mark.model(ptq_wrong=range(20))
@budget(accuracy_drop=0.01, accuracy_min=0.01)
def test_ceiling_of_an_error(edge_ptq, one_hot): ...


@pytest.mark.model(ptq_wrong=range(2))
@budget(accuracy_drop=0.01)
def test_one_hot_labels(edge_ptq, one_hot): ...
"""
ONE_HOT = """

import numpy as np


@pytest.fixture
def one_hot():
    pass


@pytest.fixture
def edge_data(request):
    from pytest_edgegate import EdgeData
    from pytest_edgegate.testing.fakes import fake_samples

    mark = request.node.get_closest_marker("samples")
    count = 200 if mark is None else mark.args[0]
    x, y = fake_samples(count)
    if "one_hot" in request.fixturenames:
        y = np.eye(10, dtype=np.float32)[y]
    return EdgeData(calibration=fake_samples(20, start=10_000)[0], evaluation=(x, y))
"""
TIES = """

class Tied:
    def __enter__(self):
        return self

    def __exit__(self, *ended):
        pass

    def __init__(self, runner, last):
        self._runner, self._last = runner, last
        self.inputs, self.outputs = runner.inputs, runner.outputs

    def infer(self, batch):
        (scores,) = self._runner.infer(batch)
        return (np.maximum(scores, np.roll(scores, 1, axis=1)),)

    def infer_raw(self, batch):
        # both put their label and the next class first; one of them thinks more of all the others
        best = self.infer(batch)[0]
        return (np.where(best > 0, 200, 100 if self._last else 0).astype(np.uint8),)


class TiedRuntime:
    formats, packages = ("edgegate-fake",), ("numpy",)

    def __init__(self, last):
        self._last, self.options = last, {"tied": last}

    def open(self, model):
        from pytest_edgegate.testing.fakes import FakeRuntime

        return Tied(FakeRuntime("").open(model), self._last)


def pytest_edgegate_register(registry):
    registry.add("runtime", "tied", TiedRuntime(False))
    registry.add("runtime", "tied-other", TiedRuntime(True))
"""
TIED = """
import pytest


@pytest.mark.edge_targets("tied-board")
@pytest.mark.edge_budget(accuracy_min=0.9, parity_agreement=1, parity_lsb=100)
def test_ties(edge_ptq): ...


@pytest.mark.edge_targets("tied-board")
@pytest.mark.edge_budget(accuracy_min=0.901)
def test_ties_of_the_last_class(edge_ptq): ...
"""
TIED_BOARD = """
[tool.edgegate.targets.tied-board]
from = "fake-board"
runtimes = {edgegate-fake = ["tied", "tied-other"]}
"""


def _files() -> dict[str, str]:
    compared = "import pytest\n\n\n" + "".join(
        case(name, budget, model, samples) for name, (budget, model, samples, _) in COMPARED.items()
    )
    limits = "import pytest\n\n\n" + "".join(
        case(f"limit_{at}", f"{metric}={written}")
        for at, (written, (metric, _)) in enumerate(LIMITS.items())
    )
    return {
        "test_compared.py": compared,
        "test_limits.py": limits,
        "test_own.py": OWN,
        "test_ties.py": TIED,
        "pyproject.toml": TIED_BOARD,
    }


FILES = _files()


@pytest.fixture
def counted(play: Any, inner_conftest: str) -> Any:
    metric = 'config.addinivalue_line("markers", "metric(given): the edge_metric")\n'
    first = '    config.addinivalue_line("markers", "samples('
    conftest = inner_conftest.replace(first, f"    {metric}{first}")
    files = {**FILES, "conftest.py": conftest + ONE_HOT + TIES}
    return play(files, "--edge-target=fake-board,tied-board")


@pytest.mark.parametrize("name", COMPARED)
def test_comparison_is_exact(counted: Any, name: str) -> None:
    holds = COMPARED[name][-1]
    metric = COMPARED[name][0].split("=")[0]
    assert counted.verdicts(f"test_{name}")[metric]["outcome"] == ("pass" if holds else "fail")
    assert counted.letter(f"test_{name}") == ("." if holds else "F")


def test_a_failure_by_a_hair_does_not_spell_equal_numbers(counted: Any) -> None:
    for name in ("test_drop_above", "test_compression_over"):
        first = counted.text(name).splitlines()[0]
        value, limit = first.split(" [")[0].split(" (")[0].split()[1::2][:2]
        assert value != limit, first


@pytest.mark.parametrize(("at", "written"), list(enumerate(LIMITS)))
def test_limits_are_read_in_their_units(counted: Any, at: int, written: str) -> None:
    metric, limit = LIMITS[written]
    found = counted.verdicts(f"test_limit_{at}")[metric]["budget"]["limit"]
    assert found == limit
    if metric in ("size", "parameters"):
        assert isinstance(found, int)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("top1", "0.01"),
        ("at_half", "0.005"),
        ("percent", "0.008"),
        ("top5", "0.01"),
        ("auc", "0.01"),
        ("miou", "0.01"),
        ("by_gate", "0.01"),
    ],
)
def test_half_of_a_bounded_metric_is_an_error_in_setup(counted: Any, name: str, meant: str) -> None:
    assert counted.letter(f"test_bounded_{name}") == "E"
    text = counted.text(f"test_bounded_{name}")
    counted.assert_fault(text, "accuracy_drop=")
    assert f"did you mean {meant}?" in text.splitlines()[-1]
    assert counted.verdicts(f"test_bounded_{name}") == {}


def test_half_of_a_bounded_metric_by_hand(counted: Any) -> None:
    assert counted.letter("test_bounded_by_hand") == "F"
    counted.assert_fault(counted.text("test_bounded_by_hand"), "did you mean 0.01?")


def test_just_below_half_is_taken(counted: Any) -> None:
    assert counted.letter("test_bounded_below_half") == "."


@pytest.mark.parametrize("name", ["free_mse", "free_mae", "free_own", "other_top_n"])
def test_a_free_metric_takes_any_number(counted: Any, name: str) -> None:
    assert counted.letter(f"test_{name}") == ".", counted.text(f"test_{name}")


def test_an_unknown_metric_offers_the_nearest(counted: Any) -> None:
    assert counted.letter("test_unknown_metric") in "EF"
    text = counted.text("test_unknown_metric")
    counted.assert_fault(text, "unknown metric 'top-1', did you mean 'top1'?")


def test_a_metric_of_the_users_own(counted: Any) -> None:
    found = counted.verdicts("test_own_of_booleans")["accuracy_drop"]
    assert (found["outcome"], found["measured"]["value"]) == ("pass", 0.01)
    found = counted.verdicts("test_own_of_the_set")["accuracy_drop"]
    assert (found["outcome"], found["measured"]["value"]) == ("fail", pytest.approx(0.1))


def test_lower_is_better_turns_the_drop_and_the_floor(counted: Any) -> None:
    found = counted.verdicts("test_lower_is_better")
    assert (found["accuracy_drop"]["outcome"], found["accuracy_drop"]["measured"]["value"]) == (
        "fail",
        0.1,
    )
    assert found["accuracy_min"]["outcome"] == "pass"
    found = counted.verdicts("test_ceiling_of_an_error")
    value = 20 / 200 * 2 / 10
    for metric in ("accuracy_drop", "accuracy_min"):
        assert found[metric]["outcome"] == "fail"
        assert found[metric]["measured"]["value"] == pytest.approx(value)


def test_labels_may_be_one_hot(counted: Any) -> None:
    found = counted.verdicts("test_one_hot_labels")["accuracy_drop"]
    assert (found["outcome"], found["measured"]["value"]) == ("pass", 0.01)


def test_ties_go_to_the_lowest_index_in_every_runtime(counted: Any) -> None:
    found = counted.verdicts("test_ties", "tied-board")
    assert found["accuracy_min"]["measured"]["value"] == 0.9
    assert found["parity_agreement"]["measured"]["value"] == 1.0
    assert counted.letter("test_ties", "tied-board") == "."
    assert counted.letter("test_ties_of_the_last_class", "tied-board") == "F"


WRONG_LIMITS = {
    "latency_p95=6": "has no unit",
    "latency_p95='6'": "has no unit",
    "latency_ratio='6 ms'": "unit",
    "size='6 ms'": "unit",
    "size=0.5": "whole number",
    "size=-1": "negative",
    "size=True": "neither a number nor a text",
    "size=None": "neither a number nor a text",
    "size='big'": "no number",
    "accuracy_drop=-0.01": "negative",
    "accuracy_drop=float('nan')": "not a finite number",
    "parity_agreement=99": "did you mean 0.99?",
    "parity_lsb=0.5": "whole number",
}


def test_a_limit_that_cannot_be_meant_is_a_collection_error(play: Any) -> None:
    files = {
        f"test_{at}.py": f"import pytest\n@pytest.mark.edge_budget({written})\n"
        f"def test_{at}(edge_ptq): ...\n"
        for at, written in enumerate(WRONG_LIMITS)
    }
    ran = play(files, "--edge-target=fake-board")
    assert ran.status == 2
    assert len(ran.collection) == len(WRONG_LIMITS)
    for at, (written, words) in enumerate(WRONG_LIMITS.items()):
        text = ran.collection[f"test_{at}.py"]
        ran.assert_fault(text, words)
        assert written.split("=")[0] in text


KEPT = {
    "test_kept.py": """
import pytest


@pytest.mark.edge_budget(accuracy_drop=0.01, parity_agreement=0.99, size=1000, latency_p95="6 ms")
def test_kept(edge_ptq): ...
""",
    "m.fake": '{"format": "edgegate-fake", "dtype": "float32", "bytes": 4000}',
}
SESSION = """

@pytest.fixture
def edge_model():
    return "m.fake"
"""


def test_predictions_come_from_the_cache_and_latencies_never(
    again: Any, inner_conftest: str
) -> None:
    files = {**KEPT, "conftest.py": inner_conftest + SESSION}
    options = ("--edge-target=fake-board", "--edge-allow-unmeasured=latency_p95")
    cold, warm = (again(files, *options).verdicts("test_kept") for _ in range(2))
    for metric in ("accuracy_drop", "parity_agreement"):
        assert cold[metric]["measured"]["cached"] is False
        assert warm[metric]["measured"]["cached"] is True
        assert cold[metric]["measured"]["value"] == warm[metric]["measured"]["value"]
        assert (cold[metric]["outcome"], cold[metric]["artifact"]["cached"]) == ("pass", False)
        assert warm[metric]["artifact"]["cached"] is True
    assert warm["latency_p95"]["measured"] is None
