"""What is known before the work is told before it: nothing is built, no body runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

MORE = """

import numpy as np

from pytest_edgegate import EdgeData, Metric
from pytest_edgegate.testing.fakes import fake_samples


def made_by_hand(folder):
    from pytest_edgegate.testing.fakes import fake_model

    return fake_model(folder / "made.fake", dtype="int8")


def holed(labels):
    labels = labels.astype(np.float32)
    labels[7] = np.nan
    return labels


def scores(outputs, labels):
    return outputs.argmax(axis=1) == labels


LABELS = {
    "late": lambda y: np.where(np.arange(len(y)) == 150, 10, y),
    "nan": holed,
    "none": lambda y: None,
    "one_class": lambda y: np.zeros_like(y),
}
METRICS = {
    "nothing": 3,
    "misspelt": "top_1",
    "named": Metric("top1", output="scores"),
    "beyond": Metric("top1", output=7),
    "set_of_stream": Metric(lambda outputs, labels: 1.0, per_sample=False),
    "own": Metric(scores),
}


@pytest.fixture
def edge_model(request, tmp_path):
    from pytest_edgegate.testing.fakes import fake_model

    mark = request.node.get_closest_marker("model")
    what = {} if mark is None else mark.kwargs
    lists = {key: list(value) for key, value in what.items() if isinstance(value, range)}
    return fake_model(tmp_path / "m.fake", marked=request.node.originalname, **what | lists)


@pytest.fixture
def edge_data(request):
    mark = request.node.get_closest_marker("samples")
    kind = "" if mark is None else mark.args[0]
    x, y = fake_samples(200)
    calibration = fake_samples(20, start=10_000)[0]
    if kind == "holed_calibration":
        calibration[3] = np.nan
    if kind == "wide_calibration":
        calibration = np.concatenate([calibration, calibration], axis=1)
    if kind == "nowhere":
        return EdgeData(calibration=calibration)
    if kind == "stream":
        batches = [(x[:100], y[:100]), (x[100:], y[100:])]
        return EdgeData(calibration=calibration, evaluation=batches, version="1")
    if kind == "wide":
        x = np.concatenate([x, x], axis=1)
    y = LABELS.get(kind, lambda y: y)(y)
    return EdgeData(calibration=calibration, evaluation=x if y is None else (x, y))


@pytest.fixture
def edge_metric(request):
    mark = request.node.get_closest_marker("metric")
    return "top1" if mark is None else METRICS.get(mark.args[0], mark.args[0])
"""
UNMEASURED = """
import pytest

from conftest import note

budget, model = pytest.mark.edge_budget, pytest.mark.model
board = pytest.mark.edge_targets("fake-board")


@budget(memory="1 MB", accuracy_drop=0.01, size="120 kB")
@board
def test_of_a_fixture(edge_ptq):
    note("body of_a_fixture")


@pytest.fixture
def size_of_the_file(edge_ptq):
    note("fixture on_top")
    return edge_ptq.path.stat().st_size


@budget(memory="1 MB", accuracy_drop=0.01)
@board
def test_below_a_fixture_of_the_user(size_of_the_file):
    note("body below")


@budget(latency_p95="1 ms")
@board
def test_of_a_file(edge_gate, tmp_path):
    note("body of_a_file")


@budget(latency_p95="1 ms", size=1)
@board
def test_by_hand(edge_compress, edge_gate):
    note("body by_hand")


@pytest.mark.xfail(strict=True)
@budget(memory="1 MB")
@board
def test_expected(edge_ptq):
    note("body expected")


@budget(size="120 kB")
@board
def test_measurable(edge_ptq):
    note("body measurable")


@pytest.mark.edge_targets("lonely")
@budget(parity_lsb=1, accuracy_drop=0.01)
def test_one_runtime(edge_ptq):
    note("body one_runtime")


@pytest.mark.edge_targets("unheard")
@budget(parity_agreement=0.9, accuracy_drop=0.01)
def test_unknown_runtime(edge_ptq):
    note("body unknown_runtime")


@pytest.mark.edge_targets("fake-host")
@budget(parity_lsb=1)
def test_float_has_no_steps(edge_compress, edge_gate):
    edge_gate.check(edge_compress())
    note("rest of float")


@pytest.mark.edge_targets("integers")
@model(looked_up=True)
@budget(accuracy_drop=0.01)
def test_ids_in_floats(edge_ptq):
    note("body ids")


@board
@model(looked_up=True)
@budget(accuracy_drop=0.01)
def test_ids_where_floats_are_taken(edge_ptq):
    note("body ids_taken")


@model(dtype="nonsense")
@budget(memory="1 MB")
@board
def test_the_model_comes_first(edge_ptq):
    note("body first")
"""
TARGETS = """
[tool.edgegate.targets.lonely]
from = "fake-board"
runtimes = {edgegate-fake = ["fake"]}

[tool.edgegate.targets.integers]
from = "fake-board"
io_dtypes = ["uint8"]

[tool.edgegate.targets.unheard]
from = "fake-board"
runtimes = {edgegate-fake = ["fake", "unheard-of"]}
"""
FAULTS = {  # samples, metric, model, budget: letter, words
    "late_label": ("late", "top1", {}, "accuracy_drop=0.01", "labels go from 0 to 10"),
    "late_label_of_a_floor": ("late", "top1", {}, "accuracy_min=0.5", "labels go from 0 to 10"),
    "nan_label": ("nan", "top1", {}, "accuracy_min=0.5", "1 of 200 samples hold NaN"),
    "nan_label_mse": ("nan", "mse", {}, "accuracy_min=0.5", "do not fit outputs"),
    "unlabelled": ("none", "top1", {}, "accuracy_drop=0.01", "has no labels"),
    "no_evaluation": ("nowhere", "top1", {}, "accuracy_drop=0.01", "no evaluation split"),
    "no_evaluation_parity": ("nowhere", "top1", {}, "parity_lsb=3", "no evaluation split"),
    "wide": ("wide", "top1", {}, "sqnr_db=3", "do not fit the input 'x'"),
    "wide_parity": ("wide", "top1", {}, "parity_lsb=3", "do not fit the input 'x'"),
    "no_metric": ("", "nothing", {}, "accuracy_drop=0.01", "neither a name nor a Metric"),
    "misspelt": ("", "misspelt", {}, "accuracy_drop=0.01", "unknown metric 'top_1'"),
    "auc_shape": ("", "auc", {}, "accuracy_drop=0.01", "one score or two class scores"),
    "mse_shape": ("", "mse", {}, "accuracy_drop=0.1", "do not fit outputs of shape"),
    "outputs": ("", "top1", {"outputs": ["y", "z"]}, "accuracy_drop=0.01", "has 2 outputs (y, z)"),
    "named": ("", "named", {}, "accuracy_drop=0.01", "none is 'scores'"),
    "beyond": ("", "beyond", {}, "accuracy_drop=0.01", "none is 7"),
    "stream": ("stream", "set_of_stream", {}, "accuracy_drop=0.1", "never held whole"),
    "chance": ("", "top1", {"wrong": range(200)}, "accuracy_drop=0.01", "not proven better"),
    "chance_own": ("", "own", {"wrong": range(200)}, "accuracy_drop=0.01", "not proven better"),
    "broken": ("", "top1", {"broken": True}, "accuracy_drop=0.01", "does not open"),
    "data_before_metric": ("nowhere", "misspelt", {}, "accuracy_drop=0.01", "no evaluation split"),
    "percent": ("", "misspelt", {}, "accuracy_drop=1", "unknown metric 'top_1'"),
    "any_answer": ("", "top10", {}, "accuracy_drop=0.01", "top10 is 1 for any answers"),
    "any_floor": ("", "top12", {}, "accuracy_min=0.9", "top12 is 1 for any answers"),
}
SOUND = {
    "labels_nobody_reads": ("none", "top1", {}, "size='120 kB'"),
    "outputs_nobody_scores": ("", "top1", {"outputs": ["y", "z"]}, "parity_agreement=0.9"),
    "unlabelled_parity": ("none", "top1", {}, "parity_lsb=300"),
    "metric_nobody_asks": ("", "misspelt", {}, "size='120 kB'"),
    "sound": ("", "top1", {"wrong": range(5)}, "accuracy_drop=0.05, accuracy_min=0.5"),
    "own": ("", "own", {}, "accuracy_drop=0.05"),
    "stream_sound": ("stream", "top1", {}, "accuracy_drop=0.05"),
}


BODIES = {  # the ending of a test's name: its fixtures, and what its body gates
    "": ("edge_ptq", ""),
    "_by_call": ("edge_compress, edge_gate", "edge_gate.check(edge_compress())"),
    "_by_hand": ("edge_gate, tmp_path", "edge_gate.check(made_by_hand(tmp_path))"),
}
OF_THE_MODEL = ("late_label_of_a_floor", "nan_label", "nan_label_mse", "wide_parity", "any_floor")
"""Faults that only a run of the model shows, which a given file is not compared with."""


def _fault(name: str, samples: str, metric: str, model: dict[str, Any], budget: str) -> str:
    return "".join(
        f"""
@pytest.mark.samples({samples!r})
@pytest.mark.metric({metric!r})
@pytest.mark.model(**{model!r})
@pytest.mark.edge_budget({budget})
@pytest.mark.edge_targets("fake-board")
def test_{name}{ending}({fixtures}):
    note("body {name}{ending}")
    {body}
"""
        for ending, (fixtures, body) in BODIES.items()
    )


FILES = {
    "test_unmeasured.py": UNMEASURED,
    "test_faults.py": "import pytest\n\nfrom conftest import made_by_hand, note\n"
    + "".join(_fault(name, *what[:4]) for name, what in {**FAULTS, **SOUND}.items()),
    "pyproject.toml": TARGETS,
}


@pytest.fixture
def conftest(inner_conftest: str, counting: str) -> str:
    mark = '    config.addinivalue_line("markers", "metric(kind): what edge_metric returns")\n'
    at = inner_conftest.index('    config.addinivalue_line("markers", "samples(')
    return inner_conftest[:at] + mark + inner_conftest[at:] + counting + MORE


@pytest.fixture
def ran(play: Any, conftest: str) -> Any:
    names = "fake-board,lonely,unheard,integers,fake-host"
    return play({**FILES, "conftest.py": conftest}, f"--edge-target={names}")


def done(folder: Path) -> list[str]:
    return (folder / "done.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "metric", "others"),
    [
        ("test_of_a_fixture", "memory", "accuracy_drop, size"),
        ("test_below_a_fixture_of_the_user", "memory", "accuracy_drop"),
        ("test_of_a_file", "latency_p95", ""),
        ("test_by_hand", "latency_p95", "size"),
    ],
)
def test_what_the_target_can_t_measure_is_red_before_the_build_and_the_body(
    ran: Any, name: str, metric: str, others: str
) -> None:
    assert ran.letter(name) == "F"
    assert set(ran.verdicts(name)) == {metric}
    assert ran.verdicts(name)[metric]["outcome"] == "not_measured"
    text = ran.text(name)
    assert text.startswith(f"{metric} not measured (fake-board")
    assert "Nothing was built, and the body of the test did not run." in text
    assert (f"Not judged: {others}." in text) == bool(others)
    assert f"judge the rest: --edge-allow-unmeasured=fake-board:{metric}\n" in text
    assert not {f"built {name}", f"body {name[5:]}"} & set(done(ran.folder))


def test_ids_in_floats_are_known_when_the_model_is_loaded(ran: Any) -> None:
    assert ran.letter("test_ids_in_floats", "integers") == "E"
    text = ran.text("test_ids_in_floats", "integers")
    assert "looks up what it is given as floats (x), such as token ids" in text
    assert "cut the model behind its embedding" in text
    assert not {"built test_ids_in_floats", "body ids"} & set(done(ran.folder))
    assert ran.letter("test_ids_where_floats_are_taken") == "."


def test_no_fixture_is_set_up_on_top_of_a_missing_artifact(ran: Any) -> None:
    assert "fixture on_top" not in done(ran.folder)


def test_no_budget_measured_is_expected_to_fail_as_any_red_one(ran: Any) -> None:
    assert ran.letter("test_expected") == "x"


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("test_one_runtime", "lonely", "lists one runtime"),
        ("test_unknown_runtime", "unheard", "unknown runtime 'unheard-of'"),
    ],
)
def test_parity_without_runtimes_is_known_before(
    ran: Any, name: str, target: str, words: str
) -> None:
    assert ran.letter(name, target) == "F"
    assert words in ran.text(name, target)
    assert f"built {name}" not in done(ran.folder)


def test_a_call_is_stopped_where_the_plan_tells(ran: Any) -> None:
    assert ran.letter("test_float_has_no_steps", "fake-host") == "F"
    assert "no quantisation steps" in ran.text("test_float_has_no_steps", "fake-host")
    assert "rest of the test did not run" in ran.text("test_float_has_no_steps", "fake-host")
    assert "built test_float_has_no_steps" not in done(ran.folder)


def test_a_fault_of_the_model_comes_before_its_budgets(ran: Any) -> None:
    assert ran.letter("test_the_model_comes_first") == "E"


def test_what_is_measurable_is_built(ran: Any) -> None:
    assert ran.letter("test_measurable") == "."
    assert {"built test_measurable", "body measurable"} <= set(done(ran.folder))


def test_what_is_allowed_is_built_and_the_rest_is_judged(play: Any, conftest: str) -> None:
    allowed = "--edge-allow-unmeasured=memory,fake-board:latency_p95"
    files = {"test_unmeasured.py": UNMEASURED, "pyproject.toml": TARGETS, "conftest.py": conftest}
    ran = play(files, "--edge-target=fake-board", allowed, "-k", "of_a_fixture")
    assert ran.letter("test_of_a_fixture") == "."
    found = ran.verdicts("test_of_a_fixture")
    assert set(found) == {"contract", "memory", "accuracy_drop", "size"}
    assert found["memory"]["allowed"]


@pytest.fixture
def explained(play: Any, conftest: str) -> Any:
    names = "fake-board,lonely,unheard,fake-host"
    return play({**FILES, "conftest.py": conftest}, f"--edge-target={names}", "--edge-explain")


TOLD_AHEAD = [
    f"{name}{ending}"
    for name in FAULTS
    for ending in BODIES
    if ending != "_by_hand" or name not in OF_THE_MODEL
]


@pytest.mark.parametrize("name", TOLD_AHEAD)
def test_a_fault_of_model_data_or_metric_is_told_before_the_build(ran: Any, name: str) -> None:
    assert ran.letter(f"test_{name}") == "E"
    ran.assert_fault(ran.text(f"test_{name}"), FAULTS[name.partition("_by_")[0]][4])
    assert not {f"built test_{name}", f"body {name}"} & set(done(ran.folder))
    assert ran.verdicts(f"test_{name}") == {}


@pytest.mark.parametrize("name", [name + ending for name in SOUND for ending in BODIES])
def test_what_no_budget_asks_for_is_no_fault(ran: Any, name: str) -> None:
    assert ran.letter(f"test_{name}") == ".", ran.text(f"test_{name}")
    assert f"body {name}" in done(ran.folder)


@pytest.mark.parametrize("name", TOLD_AHEAD)
def test_explaining_tells_what_the_run_does(ran: Any, explained: Any, name: str) -> None:
    assert explained.letter(f"test_{name}") == "E"
    assert explained.text(f"test_{name}") == ran.text(f"test_{name}")


UNMEASURABLE = {
    "of_a_fixture": "fake-board",
    "below_a_fixture_of_the_user": "fake-board",
    "of_a_file": "fake-board",
    "by_hand": "fake-board",
    "one_runtime": "lonely",
    "unknown_runtime": "unheard",
}


@pytest.mark.parametrize("name", UNMEASURABLE)
def test_explaining_is_red_for_what_nothing_measures(ran: Any, explained: Any, name: str) -> None:
    at = (f"test_{name}", UNMEASURABLE[name])
    assert explained.letter(*at) == "F"
    assert explained.text(*at) == ran.text(*at)


@pytest.mark.parametrize("name", [name + ending for name in SOUND for ending in BODIES])
def test_explaining_passes_what_is_sound(explained: Any, name: str) -> None:
    assert explained.letter(f"test_{name}") == ".", explained.text(f"test_{name}")


CALIBRATION = {
    "holed_calibration": "1 of 20 calibration samples hold NaN",
    "wide_calibration": "do not fit the input 'x'",
}


@pytest.mark.parametrize("kind", CALIBRATION)
@pytest.mark.parametrize("way", ["run", "explain"])
def test_calibration_samples_are_looked_at_before_the_build(
    play: Any, conftest: str, kind: str, way: str
) -> None:
    tests = "".join(_fault(each, each, "top1", {}, "accuracy_drop=0.01") for each in CALIBRATION)
    head = "import pytest\n\nfrom conftest import made_by_hand, note\n"
    files = {"test_it.py": head + tests, "conftest.py": conftest}
    explains = ["--edge-explain"] if way == "explain" else []
    ran = play(files, "--edge-target=fake-board", *explains)
    assert ran.letter(f"test_{kind}") == "E"
    ran.assert_fault(ran.text(f"test_{kind}"), CALIBRATION[kind])
    assert f"built test_{kind}" not in done(ran.folder)
    assert ran.letter(f"test_{kind}_by_hand") == "."  # a given file is made with no samples


def test_explaining_builds_nothing_and_runs_no_body(explained: Any) -> None:
    assert not [each for each in done(explained.folder) if each.startswith(("built", "body"))]
    assert not list((explained.folder / ".edgegate_cache").rglob("*.fake"))
    assert "nothing is built and no body runs: --edge-allow-unmeasured=fake-board:memory" in (
        explained.output
    )


def test_a_second_run_opens_no_model_for_it(again: Any, conftest: str) -> None:
    sound = "".join(_fault(f"{at}", *what) for at, what in enumerate(SOUND.values()))
    files = {
        "test_sound.py": "import pytest\n\nfrom conftest import made_by_hand, note\n" + sound,
        "conftest.py": conftest.replace(
            'tmp_path / "m.fake"', 'Path(__file__).with_name(f"{request.node.originalname}.fake")'
        ),
    }
    ini = "edge_early_after = 0 s"  # a reference that is looked at in part is not run again either
    first = again(files, "--edge-target=fake-board", ini=ini)
    assert first.status == 0
    (first.folder / "done.txt").unlink()
    second = again(files, "--edge-target=fake-board", ini=ini)
    assert second.status == 0
    assert [each for each in done(second.folder) if "float32" in each] == []


MISTAKES = """
import unittest

import pytest

pytestmark = [
    pytest.mark.edge_targets("fake-board"),
    pytest.mark.edge_budget(sise=1),
]


@pytest.mark.edge_budget(accuracy_drp=0.01, size="120 kBs")
@pytest.mark.edge_budget(latency_p95=6)
def test_three(edge_ptq): ...


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.edge_targets("fake-bord", "fake-hots")
def test_two(edge_ptq, number): ...


@pytest.mark.edge_budget(size=1)
def test_which(edge_ptq, edge_qat): ...


class TestInside:
    @pytest.mark.edge_recipe()
    def test_inside(self, edge_artifact): ...

    class TestDeeper:
        @pytest.mark.edge_budget(parity_agreement=99)
        def test_deeper(self, edge_ptq): ...


@pytest.mark.edge_budget(size=1)
class TestCase(unittest.TestCase):
    def test_case(self): ...


@pytest.mark.edge_budget(size=1)
def test_sound(edge_ptq):
    raise AssertionError("a file with a mistake runs no test")
"""
TOLD = {
    8: "unknown budget 'sise', did you mean 'size'?",
    12: "unknown budget 'accuracy_drp', did you mean 'accuracy_drop'?",
    13: "latency_p95=6 has no unit",
    18: "unknown target 'fake-bord', did you mean 'fake-board'?",
    23: "edge_budget with edge_ptq and edge_qat: which of them does it gate?",
    27: "edge_recipe has no step",
    31: "parity_agreement=99 is a share",
    36: "an edge marker on a unittest.TestCase",
}


@pytest.fixture
def mistaken(play: Any) -> Any:
    files = {"test_mistakes.py": MISTAKES, "test_right.py": "def test_right(): ..."}
    return play(files, "--edge-target=fake-board", "--continue-on-collection-errors", "-vv")


@pytest.mark.parametrize("line", TOLD)
def test_each_mistake_of_a_file_has_its_line_in_the_summary(mistaken: Any, line: int) -> None:
    place = f" (test_mistakes.py:{line})"
    found = [each for each in mistaken.faults if each.splitlines()[0].endswith(place)]
    told = next(each for each in found if TOLD[line] in each)
    mistaken.assert_fault(told)
    summary = mistaken.output.partition("short test summary info")[2]
    assert told[:30] in summary


def test_two_mistakes_of_a_line_are_both_told_and_none_twice(mistaken: Any) -> None:
    assert len(mistaken.faults) == len(set(mistaken.faults)) == len(TOLD) + 2
    assert any("size='120 kBs' has the unknown unit" in each for each in mistaken.faults)
    assert any("'fake-hots', did you mean 'fake-host'?" in each for each in mistaken.faults)


def test_a_file_with_mistakes_runs_no_test(mistaken: Any) -> None:
    assert set(mistaken.tests) == {"test_right"}
    assert mistaken.status == 1


@pytest.mark.workers
def test_mistakes_interrupt_the_run_as_pytest_s_own_do(play: Any, mode: str) -> None:
    ran = play({"test_mistakes.py": MISTAKES}, "--edge-target=fake-board")
    assert len(ran.faults) == len(set(ran.faults)) == len(TOLD) + 2
    assert ran.status == (1 if mode == "n2" else 2)


BROKEN = {
    'from = "fake-board"\nformats = 3': "formats",
    'from = "fake-bord"': "did you mean 'fake-board'?",
    'from = "fake-board"\nmachin = "any"': "machin",
    'title = "a board with nothing else"': "mine",
    'from = "fake-board"\nruntimes = {edgegate-fake = ["fake-othr"]}': "did you mean 'fake-other'?",
    'from = "fake-board"\nformats = ["edgegate-fka"]\nruntimes = {edgegate-fka = ["fake"]}': (
        "unknown format 'edgegate-fka'"
    ),
}
MISNAMED = {
    '[tool.edgegate.targets."a board"]\nfrom = "host"\n': "--edge-target can't name it",
    '[tool.edgegate.target.mine]\nfrom = "host"\n': "did you mean tool.edgegate.targets?",
    '[tool.edgegate.targets.mine]\nfrom = "host"\nformat = 3\nio_dtypes = "int8"\n'
    'memory_bytes = -4\ntitel = "x"\n': "unknown key 'format', did you mean 'formats'?; "
    "io_dtypes = 'int8' is not a list of names; memory_bytes is not a size of a memory; "
    "unknown key 'titel'",
}


@pytest.mark.parametrize("table", BROKEN)
@pytest.mark.workers
def test_a_broken_target_stops_the_run_as_a_misspelt_one_does(
    play: Any, mode: str, table: str
) -> None:
    files = {
        "pyproject.toml": f"[tool.edgegate.targets.mine]\n{table}\n",
        "test_it.py": "def test_it(edge_ptq): ...",
    }
    ran = play(files, "--edge-target=fake-board,mine")
    assert ran.status == 4
    assert ran.tests == {}
    assert "ERROR: edgegate error: " in ran.everything
    assert BROKEN[table] in ran.everything


@pytest.mark.parametrize("table", MISNAMED, ids=["target", "table", "keys"])
def test_tables_that_nothing_would_read_stop_the_run(play: Any, table: str) -> None:
    ran = play({"pyproject.toml": table, "test_it.py": "def test_it(): ..."})
    assert ran.status == 4
    assert MISNAMED[table] in ran.everything


def test_a_broken_target_in_place_of_host_stops_the_run_too(play: Any) -> None:
    files = {
        "pyproject.toml": '[tool.edgegate.targets.host]\nfrom = "host"\nformats = 3\n',
        "test_it.py": "def test_it(edge_ptq): ...",
    }
    ran = play(files)
    assert ran.status == 4
    assert "formats" in ran.everything


def test_broken_targets_that_nobody_selected_are_told_together(play: Any) -> None:
    tables = [*BROKEN, 'from = "circle"', 'from = "round"']
    names = ["one", "two", "three", "mine", "five", "six", "round", "circle"]
    written = zip(names, tables, strict=True)
    files = {
        "pyproject.toml": "".join(f"[tool.edgegate.targets.{n}]\n{t}\n" for n, t in written),
        "test_it.py": "def test_it(): ...",
    }
    ran = play(files)
    assert ran.status == 4
    assert ran.tests == {}
    assert "ERROR: edgegate error: 8 targets in pyproject.toml can't be read:" in ran.everything
    for name in names:
        assert f"target {name!r} (pyproject.toml): " in ran.everything
    for words in (*BROKEN.values(), "start from each other: round -> circle -> round"):
        assert words in ran.everything


ELSEWHERE = {
    "of a package that is not here": 'from = "vendors-own-board"',
    "of a newer one": 'from = "raspberry-pi-9"',
    "with a tool that is not here": 'from = "fake-board"\ntools = {memory = "of-a-vendor"}',
    "of a format of another package": 'from = "fake-board"\nformats = ["mnn"]\n'
    'runtimes = {mnn = ["mnn"]}',
    "with a runtime that is not here": 'from = "fake-board"\n'
    'runtimes = {edgegate-fake = ["unheard-of"]}',
}


def test_a_target_whose_package_is_missing_stops_only_who_selects_it(play: Any) -> None:
    tables = enumerate(ELSEWHERE.values())
    files = {
        "pyproject.toml": "".join(f"[tool.edgegate.targets.t{at}]\n{t}\n" for at, t in tables),
        "test_it.py": "def test_it(edge_ptq): ...",
    }
    assert play(files, "--edge-target=fake-board").status == 0
    assert play(files, "--edge-target=t0").status == 4
