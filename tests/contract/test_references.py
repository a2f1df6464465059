"""What an artifact is measured against, and what it has to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

MORE = """

import json

import numpy as np

from pytest_edgegate import EdgeData
from pytest_edgegate.core.errors import BackendUnavailableError


def pytest_edgegate_register(registry):
    from pytest_edgegate.testing.fakes import FakeModel

    class Gone:
        formats, packages, options = ("edgegate-fake",), (), {}

        def open(self, model):
            raise BackendUnavailableError("a-package", "the runtime gone", "all")

    class OtherReader:
        def recognise(self, candidate, around):
            if getattr(candidate, "suffix", "") != ".other":
                return None

            class Other(FakeModel):
                node = ("another-format", "int8")

            return Other(candidate, {"dtype": "int8"})

    registry.add("runtime", "gone", Gone())
    registry.add("model reader", "other", OtherReader())


@pytest.fixture
def edge_data(request):
    from pytest_edgegate.testing.fakes import fake_samples

    mark = request.node.get_closest_marker("samples")
    x, y = fake_samples(200 if mark is None else mark.args[0])
    if request.node.get_closest_marker("one_label"):
        y = np.zeros_like(y)
        x[:, 1] = 0
    return EdgeData(calibration=fake_samples(20, start=10_000)[0], evaluation=(x, y))


@pytest.fixture
def file(tmp_path):
    def write(name="own.fake", **what):
        from pytest_edgegate.testing.fakes import fake_model

        return fake_model(tmp_path / name, **{"dtype": "int8", "io": "uint8", **what})

    return write
"""
TARGETS = """
[tool.edgegate.targets.without]
from = "fake-board"
runtimes = {edgegate-fake = ["fake", "gone"]}

[tool.edgegate.targets.unheard]
from = "fake-board"
runtimes = {edgegate-fake = ["fake", "unheard-of"]}

[tool.edgegate.targets.alone]
from = "fake-board"
runtimes = {edgegate-fake = ["fake"]}

[tool.edgegate.targets.gone-first]
from = "fake-board"
runtimes = {edgegate-fake = ["gone", "fake"]}

[tool.edgegate.targets.static]
from = "fake-board"
static_shape = true

[tool.edgegate.targets.picky]
from = "fake-board"
operators = {FAKE = {}}

[tool.edgegate.targets.vendors]
from = "fake-host"
refusals = {integer_operators = "the vendor's parser: no importer"}
"""
TESTS = """
import pytest

budget, model, only = pytest.mark.edge_budget, pytest.mark.model, pytest.mark.edge_targets


@only("fake-board")
@model(wrong=range(10), ptq_wrong=range(14))
@budget(accuracy_drop=0.02)
def test_drop_is_from_the_original(edge_ptq): ...


@only("fake-board")
@model(wrong=range(10), ptq_wrong=range(5, 15))
@budget(accuracy_drop=0)
def test_drop_is_paired(edge_ptq): ...


@only("fake-board")
@model(wrong=range(100), ptq_wrong=range(120))
@budget(accuracy_drop_relative=0.2)
def test_relative_is_to_the_original(edge_ptq): ...


@only("fake-board")
@budget(compression=4)
def test_compression_is_against_the_float_export(edge_ptq): ...


@only("fake-board")
@model(ptq_wrong=range(20))
def test_reference_fixture(edge_reference):
    assert edge_reference.accuracy == 1.0
    assert (edge_reference.name, edge_reference.format) == ("m", "edgegate-fake")
    assert edge_reference.digest


@only("fake-board")
@budget(accuracy_drop=0.01)
def test_the_bytes_on_disk_are_measured(edge_ptq, edge_gate, tmp_path):
    text = edge_ptq.path.read_text().replace('"wrong": []', f'"wrong": {list(range(20))}')
    shipped = tmp_path / "shipped.fake"
    shipped.write_text(text)
    edge_gate.accuracy(shipped, drop=0.01)


@only("fake-board")
@model(float_fallback=["SOFTMAX", "EXP"])
@budget(accuracy_drop=0.01)
def test_float_fallback(edge_ptq): ...


@only("fake-board")
@model(float_fallback=["CONV_2D"])
@budget(accuracy_drop=0.01)
def test_float_fallback_of_weights(edge_ptq): ...


@only("fake-board")
@model(io="int16", float_fallback=["EXP"])
@budget(size=5000)
def test_io_and_float_fallback(edge_ptq): ...


@only("fake-board")
def test_float_file(edge_gate, file):
    edge_gate.check(file(dtype="float32"))


@only("fake-host")
@model(io="int16")
@budget(accuracy_drop=0.01)
def test_any_io_on_a_host(edge_ptq): ...


@only("static")
@budget(accuracy_drop=0.01)
def test_dynamic_shape(edge_ptq): ...


@only("picky")
@model(float_fallback=["EXP"])
@budget(accuracy_drop=0.01)
def test_operators(edge_ptq): ...


@only("picky")
@budget(accuracy_drop=0.01)
def test_known_operators(edge_ptq): ...


@only("vendors", "fake-host")
@budget(accuracy_drop=0.01)
def test_refused(edge_gate, file):
    path = file("given.fake", float_fallback=["QLinearConv"])
    edge_gate.check(path, accuracy_drop=0.01)


@only("fake-host")
@model(wrong=range(4))
def test_one_at_a_time(edge_gate, file):
    path = file(wrong=[1, 2, 3], alone=True)
    edge_gate.check(path, accuracy_drop=0.02, parity_agreement=0.99, sqnr_db=-100)


@only("fake-host")
@model(wrong=range(4), alone=True)
def test_reference_one_at_a_time(edge_gate, file):
    edge_gate.check(file(wrong=[1, 2, 3]), accuracy_drop=0.02)


@only("vendors")
def test_not_refused(edge_gate, file):
    edge_gate.check(file("given.fake"))


@only("without", "unheard")
@budget(parity_agreement=0.99, parity_abs=1, accuracy_drop=0.01)
def test_runtime_missing(edge_ptq): ...


@only("without")
def test_runtime_missing_not_asked(edge_ptq): ...


@only("alone")
@budget(parity_agreement=0.99)
def test_one_runtime(edge_ptq): ...


@only("gone-first")
@budget(accuracy_drop=0.01)
def test_measuring_runtime_missing(edge_ptq): ...


@only("fake-board")
@model(other_wrong=range(20))
@budget(accuracy_drop=0.01)
def test_parity_is_shown(edge_ptq): ...


@only("fake-board")
@model(other_wrong=range(20))
def test_parity_is_shown_without_budgets(edge_ptq): ...


@only("fake-board")
@model(other_wrong=range(20))
@budget(parity_agreement=0.99)
def test_parity_is_gated(edge_ptq): ...


@only("fake-board")
def test_check(edge_gate, file):
    (verdict,) = edge_gate.check(file())
    assert str(verdict.outcome) == "pass"


@only("fake-board")
def test_check_of_a_text(edge_gate, file):
    edge_gate.check(str(file()), size=5000, accuracy_drop=0.01)


@only("fake-board")
def test_check_nan(edge_gate, file):
    edge_gate.check(file(nan=[0]))


@only("fake-board")
def test_check_io(edge_gate, file):
    edge_gate.check(file(io="int8"))


@only("fake-board")
def test_check_other_format(edge_gate, file):
    other = file("x.other")
    other.write_text("of another kind")
    edge_gate.check(other)


@only("coral")
def test_check_for_coral(edge_gate, file):
    edge_gate.check(file())
"""


def _is_proven(hits: int) -> bool:
    """Whether the last *hits* of 200 right answers are better than class 0, by McNemar's test."""
    numbers = np.arange(200)
    right, constant = numbers >= 200 - hits, numbers % 10 == 0
    won, lost = (right & ~constant).sum(), (constant & ~right).sum()
    return bool((won - lost) / np.sqrt(won + lost) > norm.ppf(0.95))


LEAST = next(hits for hits in range(201) if _is_proven(hits))
"""Right answers of 200 that are proven better than a constant one."""
REFERENCES = f"""
import pytest

budget, model, samples = pytest.mark.edge_budget, pytest.mark.model, pytest.mark.samples


@model(wrong=range({200 - LEAST}), ptq_wrong=range({200 - LEAST}))
@budget(accuracy_drop=0.01)
def test_just_proven(edge_ptq): ...


@model(wrong=range({201 - LEAST}), ptq_wrong=range({201 - LEAST}))
@budget(accuracy_drop=0.01)
def test_just_not_proven(edge_ptq): ...


@model(wrong=range(100), ptq_wrong=range(100))
@samples(100)
@budget(accuracy_drop=0.01)
def test_wrong_at_100(edge_ptq): ...


@model(wrong=range(99), ptq_wrong=range(99))
@samples(99)
@budget(accuracy_drop=0.01)
def test_wrong_below_100(edge_ptq): ...


@pytest.mark.one_label
@budget(accuracy_drop=0.01)
def test_majority_is_all(edge_ptq): ...


@model(wrong=range(200), ptq_wrong=range(200))
@budget(size=5000, parity_agreement=0.99)
def test_not_needed(edge_ptq): ...
"""


@pytest.fixture
def conftest(inner_conftest: str) -> str:
    mark = '    config.addinivalue_line("markers", "one_label: every sample has it")\n'
    at = inner_conftest.index('    config.addinivalue_line("markers", "samples(')
    return inner_conftest[:at] + mark + inner_conftest[at:] + MORE


@pytest.fixture
def referred(play: Any, conftest: str) -> Any:
    files = {"test_referred.py": TESTS, "pyproject.toml": TARGETS, "conftest.py": conftest}
    names = "fake-board,fake-host,without,unheard,alone,gone-first,static,picky,vendors,coral"
    return play(files, f"--edge-target={names}", "-v")


def test_a_drop_is_from_the_original_model(referred: Any) -> None:
    found = referred.verdicts("test_drop_is_from_the_original")["accuracy_drop"]
    assert (found["measured"]["value"], found["outcome"]) == (0.02, "pass")


def test_a_drop_is_paired(referred: Any) -> None:
    """Five lost and five won make no drop, and an interval around it."""
    measured = referred.verdicts("test_drop_is_paired")["accuracy_drop"]["measured"]
    assert measured["value"] == 0
    assert measured["low"] < -0.01
    assert measured["high"] > 0.01


def test_a_relative_drop_is_to_the_original(referred: Any) -> None:
    found = referred.verdicts("test_relative_is_to_the_original")["accuracy_drop_relative"]
    assert (found["measured"]["value"], found["outcome"]) == (0.2, "pass")


def test_compression_is_against_the_float_export(referred: Any) -> None:
    found = referred.verdicts("test_compression_is_against_the_float_export")["compression"]
    assert found["measured"]["value"] == 4


def test_the_reference_is_the_original(referred: Any) -> None:
    assert referred.letter("test_reference_fixture") == "."


def test_the_bytes_on_disk_are_measured(referred: Any) -> None:
    assert referred.letter("test_the_bytes_on_disk_are_measured") == "F"
    text = referred.text("test_the_bytes_on_disk_are_measured")
    assert text.startswith("accuracy_drop 0.1 > 0.01")
    assert "shipped.fake" in text.splitlines()[0]


@pytest.mark.parametrize(
    ("name", "target", "offenders"),
    [
        (
            "float_fallback",
            "fake-board",
            ["SOFTMAX #1 (y): runs in float", "EXP #2 (y): runs in float"],
        ),
        ("float_fallback_of_weights", "fake-board", ["CONV_2D #1 (y): runs in float"]),
        (
            "io_and_float_fallback",
            "fake-board",
            [
                "output y: int16, where fake-board takes uint8 or float32",
                "EXP #1 (y): runs in float",
            ],
        ),
        ("float_file", "fake-board", ["FAKE #0 (inside): runs in float"]),
        ("dynamic_shape", "static", ["x: dynamic shape (-1, 2)"]),
        ("operators", "picky", ["EXP #1 (y): not an operator of picky"]),
        ("check_io", "fake-board", ["output y: int8, where fake-board takes uint8 or float32"]),
    ],
)
def test_what_does_not_fit_the_target_fails_with_each_offender(
    referred: Any, name: str, target: str, offenders: list[str]
) -> None:
    text = referred.text(f"test_{name}", target)
    assert referred.letter(f"test_{name}", target) == "F"
    verdict = referred.verdicts(f"test_{name}", target)["contract"]
    assert verdict["outcome"] == "fail"
    for offender in offenders:
        assert offender in text
    assert text.splitlines()[0].startswith("contract broken: ")
    assert verdict["remedy"]


def test_its_accuracy_does_not_save_it(referred: Any) -> None:
    assert referred.verdicts("test_float_fallback")["accuracy_drop"]["outcome"] == "pass"


def test_what_a_vendor_refuses_is_red_in_its_words_for_its_targets_only(referred: Any) -> None:
    assert referred.letter("test_refused", "vendors") == "F"
    verdict = referred.verdicts("test_refused", "vendors")["contract"]
    assert verdict["outcome"] == "fail"
    text = referred.text("test_refused", "vendors")
    assert "which vendors refuses (the vendor's parser: no importer)" in text.splitlines()[0]
    assert "zero points of 0" in verdict["remedy"]
    assert referred.letter("test_refused", "fake-host") == "."
    assert referred.letter("test_not_refused", "vendors") == "."


def test_a_file_that_takes_one_sample_at_a_time_is_measured_so_and_noted(referred: Any) -> None:
    assert referred.letter("test_one_at_a_time", "fake-host") == "."
    found = referred.verdicts("test_one_at_a_time", "fake-host")
    assert found["accuracy_drop"]["measured"]["value"] == -0.005
    assert (
        "own.fake declares a free batch and runs with a batch of 1" in found["contract"]["reason"]
    )
    usual = referred.verdicts("test_any_io_on_a_host", "fake-host")["contract"]
    assert "free batch" not in usual["reason"]


def test_a_reference_that_takes_one_sample_at_a_time_is_warned_of(referred: Any) -> None:
    assert referred.letter("test_reference_one_at_a_time", "fake-host") == "."
    assert "EdgeGateWarning: m.fake in fake declares a free batch" in referred.output


def test_a_host_takes_any_io_and_known_operators_pass(referred: Any) -> None:
    assert referred.letter("test_any_io_on_a_host", "fake-host") == "."
    assert referred.letter("test_known_operators", "picky") == "."


@pytest.mark.parametrize("target", ["without", "unheard"])
@pytest.mark.parametrize("metric", ["parity_agreement", "parity_abs"])
def test_parity_with_a_missing_runtime_is_not_measured(
    referred: Any, target: str, metric: str
) -> None:
    verdicts = referred.verdicts("test_runtime_missing", target)
    assert verdicts[metric]["outcome"] == "not_measured"
    if target == "without":  # a runtime that is known by its name, and found missing when it opens
        assert verdicts["accuracy_drop"]["outcome"] == "pass"
    else:
        assert "accuracy_drop" not in verdicts
    assert referred.letter("test_runtime_missing", target) == "F"


def test_parity_that_nobody_asked_for_needs_no_runtime(referred: Any) -> None:
    assert referred.letter("test_runtime_missing_not_asked", "without") == "."


def test_parity_of_one_runtime_is_not_measured(referred: Any) -> None:
    verdict = referred.verdicts("test_one_runtime", "alone")["parity_agreement"]
    assert verdict["outcome"] == "not_measured"


def test_a_missing_runtime_that_measures_accuracy_is_an_error(referred: Any) -> None:
    assert referred.letter("test_measuring_runtime_missing", "gone-first") == "F"
    text = referred.text("test_measuring_runtime_missing", "gone-first")
    referred.assert_fault(text, "a-package")
    assert "pip install 'pytest-edgegate[all]'" in text.splitlines()[-1]


@pytest.mark.parametrize("name", ["test_parity_is_shown", "test_parity_is_shown_without_budgets"])
def test_parity_is_shown_and_not_gated(referred: Any, name: str) -> None:
    assert referred.letter(name) == "."
    assert "parity_agreement" not in referred.verdicts(name)
    reason = referred.verdicts(name)["contract"]["reason"]
    assert "not gated" in reason
    assert "0.900" in reason
    assert "0.99" in reason
    shown = referred.output.split(f"::{name}[fake-board]")[-1].split("test_referred.py::")[0]
    assert "agreement 0.900" in shown


def test_parity_is_red_where_it_has_a_budget(referred: Any) -> None:
    assert referred.letter("test_parity_is_gated") == "F"
    assert "not gated" not in referred.verdicts("test_parity_is_gated")["contract"]["reason"]


def test_a_check_without_budgets_says_so(referred: Any) -> None:
    assert referred.letter("test_check") == "."
    found = referred.verdicts("test_check")
    assert set(found) == {"contract"}
    assert "no budgets" in found["contract"]["reason"]
    assert referred.letter("test_check_of_a_text") == "."
    assert set(referred.verdicts("test_check_of_a_text")) == {"contract", "size", "accuracy_drop"}


def test_a_check_runs_the_file_once(referred: Any) -> None:
    assert referred.letter("test_check_nan") == "F"
    assert "NaN or Inf" in referred.text("test_check_nan")


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("test_check_other_format", "fake-board", "x.other is a another-format"),
        ("test_check_for_coral", "coral", "own.fake is a edgegate-fake"),
    ],
)
def test_a_file_of_another_format_is_an_error(
    referred: Any, name: str, target: str, words: str
) -> None:
    assert referred.letter(name, target) == "F"
    text = referred.text(name, target)
    referred.assert_fault(text, words.split(" is a ", maxsplit=1)[0], words.split()[-2], target)
    assert referred.verdicts(name, target) == {}


@pytest.fixture
def checked(play: Any, conftest: str) -> Any:
    files = {"test_reference.py": REFERENCES, "conftest.py": conftest}
    return play(files, "--edge-target=fake-board")


@pytest.mark.parametrize("name", ["test_just_not_proven", "test_wrong_at_100"])
def test_a_reference_that_may_be_chance_is_an_error(checked: Any, name: str) -> None:
    assert checked.letter(name) == "E"
    checked.assert_fault(checked.text(name), "not proven better", "edge_reference_check = false")
    assert "accuracy_drop" not in checked.verdicts(name)


def test_a_reference_that_is_just_proven_is_taken(checked: Any) -> None:
    assert checked.letter("test_just_proven") == "."


def test_below_100_samples_it_is_a_warning(checked: Any) -> None:
    assert checked.letter("test_wrong_below_100") == "."
    assert "EdgeGateWarning: the model under test has top-1 0 on 99" in checked.output


def test_without_samples_of_other_classes_it_is_a_warning(checked: Any) -> None:
    assert checked.letter("test_majority_is_all") == "."
    assert "EdgeGateWarning: the model under test has top-1 1 on 200" in checked.output


def test_what_does_not_use_the_reference_does_not_check_it(checked: Any) -> None:
    assert checked.letter("test_not_needed") == "."


def test_the_check_can_be_turned_off(play: Any, conftest: str) -> None:
    files = {"test_reference.py": REFERENCES, "conftest.py": conftest}
    ran = play(files, "--edge-target=fake-board", ini="edge_reference_check = false")
    assert ran.status == 0
    assert "not proven better" not in ran.output


TRUSTING = """
import warnings


class Reader:
    def recognise(self, candidate, around):
        warnings.warn(f"code is allowed: {around.allow_code}", stacklevel=1)


class Hooks:
    def pytest_edgegate_register(self, registry):
        registry.add("model reader", "a-first", Reader())


def pytest_addoption(parser, pluginmanager):
    pluginmanager.register(Hooks())
"""


@pytest.mark.parametrize("ini", ["", "edge_allow_code = true"])
def test_only_the_ini_lets_code_in(play: Any, conftest: str, ini: str) -> None:
    files = {"conftest.py": conftest + TRUSTING, "test_it.py": "def test_it(edge_ptq): ...\n"}
    ran = play(files, "--edge-target=fake-board", ini=ini)
    assert f"code is allowed: {bool(ini)}" in ran.output
    assert f"code is allowed: {not ini}" not in ran.output
