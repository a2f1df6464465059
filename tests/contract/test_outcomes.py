"""Outcome by policy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import beta, norm

N = 1000
WRONG = {"proven within": 0, "within": 8, "over": 12, "proven over": 50}
INTERVAL = {
    "accuracy_drop": "0.01",
    "accuracy_drop_relative": "0.01",
    "accuracy_min": "0.99",
    "parity_agreement": "0.99",
}
NAN_LIMIT = {"parity_agreement": "0.5"}
BY_POLICY = {
    "point": {"within": "pass", "over": "fail"},
    "lenient": {"within": "pass", "over": "pass"},
    "strict": {"within": "fail", "over": "fail"},
}
EXACT = {  # (limit that just holds, limit that just does not), for a difference in 100 of 200
    "size": ("1000", "999"),
    "compression": ("4", "4.001"),
    "parameters": ("20", "19"),
    "macs": ("20", "19"),
    "parity_lsb": ("255", "254"),
    "parity_abs": ("1", "0.999"),
    "parity_within_lsb": ("0.9", "0.901"),
}
COMPARED = {
    "max_error": ("1", "0.999"),
    "sqnr_db": ("0", "0.001"),  # 100 of 200 one-hot rows wrong: signal 200, noise 200
}
ABSENT = {
    "latency_p50": "'6 ms'",
    "latency_p95": "'6 ms'",
    "latency_p99": "'6 ms'",
    "latency_first": "'6 ms'",
    "latency_ratio": "1",
    "memory": "'1 MB'",
    "flash": "'1 MB'",
    "mapped_ops": "0.9",
    "streamed_bytes": "0",
    "accuracy_regression": "0.01",
    "size_regression": "1",
    "latency_regression": "1",
}


def case(name: str, metric: str, limit: str, **model: object) -> str:
    what = ", ".join(f"{key}={value}" for key, value in model.items())
    samples = N if metric in INTERVAL and "nan" not in model else 200
    return (
        f"@pytest.mark.samples({samples})\n@pytest.mark.model({what})\n"
        f"@pytest.mark.edge_budget({metric}={limit})\ndef test_{name}(edge_ptq): ...\n\n\n"
    )


def by_rows(metric: str) -> str:
    """A test for each row of the table."""
    key = "other_wrong" if metric == "parity_agreement" else "ptq_wrong"
    return "".join(
        case(row(metric, name), metric, INTERVAL[metric], **{key: f"range({wrong})"})
        for name, wrong in WRONG.items()
    )


def row(metric: str, found: str) -> str:
    return f"{metric}_{found.replace(' ', '_')}"


def _files() -> dict[str, str]:
    text = "import pytest\n\n\n"
    for metric in INTERVAL:
        text += by_rows(metric)
        text += case(f"{metric}_nan", metric, NAN_LIMIT.get(metric, "0.4"), nan="[150]")
    for metric, limits in EXACT.items():
        for name, limit in zip(("holds", "breaks"), limits, strict=True):
            text += case(f"{metric}_{name}", metric, limit, other_wrong="range(100)")
        if metric.startswith("parity"):
            text += case(f"{metric}_nan", metric, "1", nan="[150]")
            text += case(f"{metric}_float", metric, "1", io="'float32'")
    for metric, limit in ABSENT.items():
        text += case(f"{metric}_absent", metric, limit)
    for metric, limits in COMPARED.items():
        for name, limit in zip(("holds", "breaks"), limits, strict=True):
            text += case(f"{metric}_{name}", metric, limit, ptq_wrong="range(100)")
        text += case(f"{metric}_nan", metric, "0", nan="[150]")
    text += case("export_error_holds", "export_error", "0", ptq_wrong="range(100)")
    text += "@pytest.mark.model(nan=[0])\ndef test_nan_without_budget(edge_ptq): ...\n"
    return {"test_policies.py": text}


FILES = _files()
BY_ROWS = {"test_policies.py": "import pytest\n\n\n" + by_rows("accuracy_drop")}
"""All that is run under the policies other than the default: that no figure but one with an
interval knows policies is a matter of ``judge``, whose own tests have every budget and policy."""


@pytest.fixture
def judged(play: Any) -> Any:
    return play(FILES, "--edge-target=fake-board")


@pytest.mark.parametrize("found", WRONG)
@pytest.mark.parametrize(
    ("policy", "metric"),
    [
        *[("point", metric) for metric in INTERVAL],
        ("lenient", "accuracy_drop"),
        ("strict", "accuracy_drop"),
    ],
)
def test_a_figure_with_an_interval(play: Any, policy: str, metric: str, found: str) -> None:
    """Under strict a figure within its budget is red, and its first line has to read so."""
    files, *chosen = (FILES,) if policy == "point" else (BY_ROWS, f"--edge-policy={policy}")
    judged = play(files, "--edge-target=fake-board", *chosen)
    name = f"test_{row(metric, found)}"
    verdict = judged.verdicts(name)[metric]
    proven = found.startswith("proven")
    outcome = BY_POLICY[policy].get(found) or {"within": "pass", "over": "fail"}[found.split()[1]]
    assert verdict["outcome"] == outcome
    assert verdict["proven"] is proven
    assert verdict["allowed"] is False
    assert judged.letter(name) == ("." if outcome == "pass" else "F")
    measured = verdict["measured"]
    assert (measured["n"], measured["n_total"], measured["level"]) == (N, N, 0.9)
    assert measured["low"] <= measured["value"] <= measured["high"]
    if not proven:
        assert re.search(rf"{N:,} samples can't prove it; about [\d,]+ would", verdict["reason"])
        assert "can't prove it" in judged.output
        line = "pass, not proven" if outcome == "pass" else "FAIL, not proven"
        assert line in judged.output
    if outcome == "pass":
        assert judged.text(name) == ""
    else:
        says_why(judged.text(name), metric, found)


def says_why(text: str, metric: str, found: str) -> None:
    first = text.splitlines()[0]
    assert first.startswith(f"{metric} ")
    assert re.search(r"\[-?[\d.]+, [\d.]+\]", first)
    assert found != "within" or "not proven" in first


@pytest.mark.parametrize("metric", [*EXACT, *COMPARED])
def test_an_exact_figure_does_not_know_policies(judged: Any, metric: str) -> None:
    for name, outcome, letter in (("holds", "pass", "."), ("breaks", "fail", "F")):
        verdict = judged.verdicts(f"test_{metric}_{name}")[metric]
        assert verdict["outcome"] == outcome
        assert judged.letter(f"test_{metric}_{name}") == letter
        measured = verdict["measured"]
        assert (measured["low"], measured["high"]) == (None, None)
        assert "can't prove" not in verdict["reason"]


def test_a_float_export_that_is_its_model(judged: Any) -> None:
    verdict = judged.verdicts("test_export_error_holds")["export_error"]
    assert (verdict["outcome"], verdict["measured"]["value"]) == ("pass", 0)


@pytest.mark.parametrize("metric", ["parity_lsb", "parity_within_lsb"])
def test_a_float_output_has_no_steps(judged: Any, metric: str) -> None:
    assert judged.verdicts(f"test_{metric}_float")[metric]["outcome"] == "not_measured"
    assert judged.letter(f"test_{metric}_float") == "F"
    assert judged.verdicts("test_parity_abs_float")["parity_abs"]["outcome"] == "pass"


@pytest.mark.parametrize("metric", ABSENT)
def test_what_nothing_measures_is_red(judged: Any, metric: str) -> None:
    verdict = judged.verdicts(f"test_{metric}_absent")[metric]
    assert verdict["outcome"] == "not_measured"
    assert verdict["measured"] is None
    assert verdict["proven"] is False
    assert judged.letter(f"test_{metric}_absent") == "F"
    text = judged.text(f"test_{metric}_absent")
    assert text.startswith(f"{metric} not measured")
    accepted = metric in ("accuracy_regression", "size_regression")  # as nothing is accepted yet
    next_step = "--edge-accept" if accepted else f"--edge-allow-unmeasured=fake-board:{metric}"
    assert next_step in text.splitlines()[-1]


@pytest.mark.parametrize("metric", [*INTERVAL, "parity_lsb", "parity_abs", "parity_within_lsb"])
def test_nan_fails(judged: Any, metric: str) -> None:
    name = f"test_{metric}_nan"
    verdict = judged.verdicts(name)[metric]
    assert verdict["outcome"] == "fail"
    assert verdict["measured"]["value"] is None
    assert judged.letter(name) == "F"
    assert judged.text(name).startswith(f"{metric}: NaN or Inf")
    assert "sample 150" in judged.text(name)


def test_nan_fails_without_a_budget(judged: Any) -> None:
    assert judged.letter("test_nan_without_budget") == "F"
    assert judged.verdicts("test_nan_without_budget")["contract"]["outcome"] == "fail"
    assert "NaN or Inf" in judged.text("test_nan_without_budget")


ALLOWED = {
    "test_allowed.py": """
import pytest

budget = pytest.mark.edge_budget


@budget(latency_p95="6 ms")
def test_everywhere(edge_ptq): ...


@budget(mapped_ops=0.9)
def test_there(edge_ptq): ...


@budget(mapped_ops=0.9, size=999)
def test_red_for_another_reason(edge_ptq): ...


@budget(latency_p50="6 ms")
def test_not_named(edge_ptq): ...


@pytest.mark.model(nan=[150])
@budget(accuracy_drop=0.4)
def test_nan(edge_ptq): ...


@pytest.mark.model(ptq_wrong=range(100))
@budget(accuracy_drop=0.01)
def test_over(edge_ptq): ...


def test_by_hand(edge_ptq, edge_gate):
    verdicts = edge_gate.latency(edge_ptq, p95="6 ms")
    found = [each for each in verdicts if each.budget.metric == "latency_p95"]
    assert [each.allowed for each in found] == [each.outcome == "not_measured" for each in found]
"""
}
ALLOWING = "latency_p95,fake-board:mapped_ops,accuracy_drop,size"


@pytest.fixture(params=["option", "ini"])
def allowed(play: Any, request: pytest.FixtureRequest) -> Any:
    targets = "--edge-target=fake-board,fake-host"
    if request.param == "ini":
        return play(ALLOWED, targets, ini=f"edge_allow_unmeasured = {ALLOWING}")
    return play(ALLOWED, targets, f"--edge-allow-unmeasured={ALLOWING}")


def test_what_is_allowed_is_not_red_and_listed(allowed: Any) -> None:
    target = "fake-board"
    assert allowed.letter("test_everywhere", target) == "."
    verdict = allowed.verdicts("test_everywhere", target)["latency_p95"]
    assert (verdict["outcome"], verdict["allowed"]) == ("not_measured", True)
    assert "not measured (allowed)" in allowed.output
    assert verdict["reason"] in allowed.output
    assert allowed.letter("test_by_hand", target) == "."


def test_what_is_allowed_on_one_target_is_red_on_another(allowed: Any) -> None:
    assert allowed.letter("test_there", "fake-board") == "."
    assert allowed.letter("test_there", "fake-host") == "F"
    assert allowed.verdicts("test_there", "fake-host")["mapped_ops"]["allowed"] is False
    assert allowed.letter("test_not_named", "fake-board") == "F"


@pytest.mark.parametrize("name", ["test_red_for_another_reason", "test_nan", "test_over"])
def test_nothing_measured_is_ever_allowed(allowed: Any, name: str) -> None:
    assert allowed.letter(name) == "F"
    failed = [each for each in allowed.verdicts(name).values() if each["outcome"] == "fail"]
    assert failed
    assert not any(each["allowed"] for each in failed)


def tango(lost: int, won: int, n: int) -> tuple[float, float]:
    """Tango's limits with the restricted estimate found by maximising the likelihood itself."""
    z = float(norm.ppf(0.95))

    def restricted(difference: float) -> float:
        least, most = max(0.0, -difference), (1 - difference) / 2

        def loss(q: float) -> float:
            parts = ((lost, q + difference), (won, q), (n - lost - won, 1 - 2 * q - difference))
            return -sum(count * math.log(max(p, 1e-300)) for count, p in parts if count)

        bounds = {"bounds": (least, most), "method": "bounded", "options": {"xatol": 1e-13}}
        return float(minimize_scalar(loss, **bounds).x)

    def score(difference: float) -> float:
        variance = n * (2 * restricted(difference) + difference * (1 - difference))
        return float((lost - won - n * difference) / math.sqrt(variance))

    value = (lost - won) / n
    low = brentq(lambda at: score(at) - z, -0.9, value - 1e-9)
    return float(low), float(brentq(lambda at: score(at) + z, value + 1e-9, 0.9))


@pytest.mark.parametrize("found", WRONG)
def test_the_interval_of_a_drop_is_tangos(judged: Any, found: str) -> None:
    measured = judged.verdicts(f"test_{row('accuracy_drop', found)}")["accuracy_drop"]["measured"]
    wrong = WRONG[found]
    assert measured["value"] == wrong / N
    if wrong:
        assert (measured["low"], measured["high"]) == pytest.approx(tango(wrong, 0, N), abs=2e-6)
    else:  # solved by hand: no discordant pair
        reach = float(norm.ppf(0.95)) ** 2
        bound = reach / (N + reach)
        assert (measured["low"], measured["high"]) == pytest.approx((-bound, bound), abs=1e-9)


@pytest.mark.parametrize("metric", ["accuracy_min", "parity_agreement"])
@pytest.mark.parametrize("found", WRONG)
def test_the_interval_of_a_share_is_clopper_pearsons(judged: Any, metric: str, found: str) -> None:
    measured = judged.verdicts(f"test_{row(metric, found)}")[metric]["measured"]
    hits = N - WRONG[found]
    low = float(beta.ppf(0.05, hits, N - hits + 1))
    high = 1.0 if hits == N else float(beta.ppf(0.95, hits + 1, N - hits))
    assert measured["value"] == hits / N
    assert (measured["low"], measured["high"]) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(("found", "wrong"), [("within", 8), ("over", 12)])
def test_how_many_samples_would_prove_it(judged: Any, found: str, wrong: int) -> None:
    """``(z_95 + z_80)^2 psi / delta^2``, rounded up to two digits."""
    reason = judged.verdicts(f"test_accuracy_drop_{found}")["accuracy_drop"]["reason"]
    exact = (norm.ppf(0.95) + norm.ppf(0.8)) ** 2 * (wrong / N) / (wrong / N - 0.01) ** 2
    told = re.search(r"about ([\d,]+) would", reason)
    assert told is not None
    about = int(told[1].replace(",", ""))
    assert exact <= about <= exact * 1.1


LATENCY = {  # by name: (marker, model), outcomes under point, lenient and strict, whether proven
    "within": ("latency_ratio=1.05", "ptq_seconds=9e-4, noise=.05", "pass pass pass", True),
    "over": ("latency_ratio=1.05", "ptq_seconds=13e-4, noise=.05", "fail fail fail", True),
    "below_the_floor": (
        "latency_ratio=1.05",
        "seconds=3e-5, ptq_seconds=4e-5, noise=.02",
        "pass pass fail",
        False,
    ),
    "at_the_limit": (
        "latency_ratio=1.05",
        "ptq_seconds=105e-5, noise=.05",
        "pass pass fail",
        False,
    ),
    "ratio_noisy": (
        "latency_ratio=1.05",
        "seconds=.02, ptq_seconds=.021, noise=.5",
        "inconclusive inconclusive inconclusive",
        False,
    ),
    "too_slow": (
        "latency_ratio=1.05",
        "seconds=1, ptq_seconds=.8",
        "inconclusive inconclusive inconclusive",
        False,
    ),
    "p95_within": ("latency_p95='2 ms'", "noise=.1", "pass pass pass", True),
    "p95_over": ("latency_p95='1 ms'", "noise=.1", "fail fail fail", True),
    "p99_too_few": (
        "latency_p99='300 ms'",
        "seconds=.2, noise=.01",
        "inconclusive inconclusive inconclusive",
        False,
    ),
    "p50_at_the_limit": ("latency_p50='1 ms'", "noise=.05", "pass pass fail", False),
    "p95_too_noisy": (
        "latency_p95='2 s'",
        "seconds=1, noise=.5",
        "inconclusive inconclusive inconclusive",
        False,
    ),
    "first_within": ("latency_first='20 ms'", "warm_up=3", "pass pass pass", True),
    "first_over": ("latency_first='2 ms'", "warm_up=3", "fail fail fail", True),
    "first_with_hiccups": (
        "latency_first='20 ms'",
        "warm_up=1, noise=.1, outliers=.1",
        "pass pass pass",
        True,
    ),
}


BY_POLICY_ALONE = ("below_the_floor", "at_the_limit", "p50_at_the_limit", "over", "p95_too_noisy")
"""A budget of each kind whose outcome hangs on the policy, one that fails and one that is not
decided: what is run under policies other than the default."""


def latency_tests(names: Iterable[str]) -> str:
    text = "import pytest\n\n\n"
    for name in names:
        budget, model, *_ = LATENCY[name]
        text += (
            f"@pytest.mark.model({model})\n@pytest.mark.edge_budget({budget})\n"
            f"def test_latency_{name}(edge_ptq): ...\n\n\n"
        )
    return text


def _latency_files() -> dict[str, str]:
    text = latency_tests(LATENCY)
    text += "def test_latency_of_itself(edge_gate, edge_model):\n"
    text += "    edge_gate.latency(edge_model, ratio=1.05)\n"
    return {"test_latencies.py": text}


LATENCY_FILES = _latency_files()
LATENCY_BY_POLICY = {"test_latencies.py": latency_tests(BY_POLICY_ALONE)}


@pytest.fixture
def timed(play: Any) -> Any:
    return play(LATENCY_FILES, "--edge-target=fake-host")


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        *[("point", name) for name in LATENCY],
        *[(policy, name) for policy in ("lenient", "strict") for name in BY_POLICY_ALONE],
    ],
)
def test_a_time_is_decided_by_its_interval(play: Any, policy: str, name: str) -> None:
    files, *chosen = (
        (LATENCY_FILES,) if policy == "point" else (LATENCY_BY_POLICY, f"--edge-policy={policy}")
    )
    timed = play(files, "--edge-target=fake-host", *chosen)
    budget, _, outcomes, proven = LATENCY[name]
    metric = budget.partition("=")[0]
    outcome = outcomes.split()[list(BY_POLICY).index(policy)]
    verdict = timed.verdicts(f"test_latency_{name}", "fake-host")[metric]
    measured = verdict["measured"]
    assert (verdict["outcome"], verdict["proven"]) == (outcome, proven)
    assert timed.letter(f"test_latency_{name}", "fake-host") == ("." if outcome == "pass" else "F")
    assert measured["level"] == 0.98
    assert (measured["source"], measured["cached"]) == ("host:fake", False)
    for end, sign in ((measured["low"], 1), (measured["high"], -1)):
        assert end is None or sign * end <= sign * measured["value"]
    assert measured["conditions"].keys() >= {
        "threads",
        "governor",
        "load",
        "load_after",
        "clock_tick",
    }
    assert proven or verdict["reason"].count(";") >= 1, "what is not proven has a note"


def test_a_time_that_is_over_by_less_than_the_floor_says_so(timed: Any) -> None:
    verdict = timed.verdicts("test_latency_below_the_floor", "fake-host")["latency_ratio"]
    assert re.search(r"us over, below the floor of 20 us", verdict["reason"])
    assert verdict["measured"]["low"] > 1.05


def test_a_machine_too_noisy_says_how_noisy(timed: Any) -> None:
    first, *_, last = timed.text("test_latency_ratio_noisy", "fake-host").splitlines()
    assert first.startswith("latency_ratio")
    assert "is not decided" in first
    text = timed.text("test_latency_ratio_noisy", "fake-host")
    assert re.search(r"single inferences of [\d.]+ ms vary by \d\d %, load", text)
    assert last.startswith("  next: stop other work on this machine, or")
    assert last.endswith("edge_latency_time = 60 s")


def test_a_model_too_slow_to_decide_in_time_says_what_it_takes(timed: Any) -> None:
    """9 rounds of 4 warm calls, 2 a model, and a block of 4; a half more is proposed."""
    text = timed.text("test_latency_too_slow", "fake-host")
    assert "rounds of 3 ABBA blocks do not decide it: it takes 9 rounds at least, of 7.2 s" in text
    assert "vary by" not in text
    assert text.splitlines()[-1] == "  next: give the measurement longer: edge_latency_time = 98 s"


def test_too_few_runs_say_how_many_it_takes(timed: Any) -> None:
    text = timed.text("test_latency_p99_too_few", "fake-host")
    assert "it takes 725 runs with none over the limit, 66 per round" in text
    assert text.endswith("give the measurement longer: edge_latency_time = 230 s")


def test_a_ratio_to_itself_says_nothing(timed: Any) -> None:
    verdict = timed.verdicts("test_latency_of_itself", "fake-host")["latency_ratio"]
    assert (verdict["outcome"], verdict["proven"]) == ("not_measured", False)
    assert "m.fake is the float export of the model under test itself" in verdict["reason"]
    assert "next: gate latency_p50 or latency_p95" in timed.text(
        "test_latency_of_itself", "fake-host"
    )


def test_what_is_inconclusive_may_be_allowed(play: Any) -> None:
    ran = play(LATENCY_FILES, "--edge-target=fake-host", "--edge-allow-unmeasured=latency_ratio")
    verdict = ran.verdicts("test_latency_ratio_noisy", "fake-host")["latency_ratio"]
    assert (verdict["outcome"], verdict["allowed"]) == ("inconclusive", True)
    assert ran.letter("test_latency_ratio_noisy", "fake-host") == "."
    assert ran.letter("test_latency_over", "fake-host") == "F"
    assert ran.letter("test_latency_p95_too_noisy", "fake-host") == "F"


def test_a_limit_of_time_and_a_floor_of_ones_own(play: Any) -> None:
    """As long as the remedies above say."""
    ran = play(
        LATENCY_FILES,
        "--edge-target=fake-host",
        "-k",
        "floor or too_few or too_slow or ratio_noisy",
        ini="edge_latency_time = 230 s\nedge_latency_floor = 1 us",
    )
    assert (
        ran.verdicts("test_latency_below_the_floor", "fake-host")["latency_ratio"]["outcome"]
        == "fail"
    )
    for name, metric in (("p99_too_few", "latency_p99"), ("too_slow", "latency_ratio")):
        assert ran.verdicts(f"test_latency_{name}", "fake-host")[metric]["proven"] is True
    assert ran.text("test_latency_ratio_noisy", "fake-host").endswith("edge_latency_time = 690 s")
