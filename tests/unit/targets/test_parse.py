"""Target tables: what is taken from where, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.target import LatencySource, LimitRule, OperatorRule, Program, Target
from pytest_edgegate.core.tools import may_report
from pytest_edgegate.mapping.limits import LIMITS as CHECKS
from pytest_edgegate.mapping.limits import OF_NUMBERS
from pytest_edgegate.mapping.prediction import Why
from pytest_edgegate.targets.folder import built_in
from pytest_edgegate.targets.mapping import RULES
from pytest_edgegate.targets.operators import LIMITS, REFUSALS
from pytest_edgegate.targets.parse import target_from_table

BARE: dict[str, Any] = {
    "formats": ["litert"],
    "dtypes": ["int8"],
    "runtimes": {"litert": ["litert-xnnpack"]},
}


def made(base: Target | None = None, **table: Any) -> Target:
    return target_from_table("mine", table, base=base, origin="pyproject.toml")


def refusal(**table: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        made(**{**BARE, **table})
    assert "target 'mine' (pyproject.toml): " in raised.value.message
    assert raised.value.remedy
    return raised.value


def test_the_least_that_a_target_says() -> None:
    found = made(**BARE)
    assert found == Target(
        name="mine",
        title="mine",
        machine="mine",
        formats=("litert",),
        dtypes=("int8",),
        io_dtypes=(),
        default_io="int8",
        complete_with_ptq=True,
        static_shape=True,
        per_channel_dense=True,
        runtimes={"litert": ("litert-xnnpack",)},
        origin="pyproject.toml",
    )


def test_everything_that_a_target_can_say() -> None:
    found = made(
        **{**BARE, "dtypes": ["float32", "float16"]},
        title="T",
        machine="any",
        io_dtypes=["float32"],
        default_io="float32",
        complete_with_ptq=False,
        static_shape=False,
        per_channel_dense=False,
        memory_bytes=8_000,
        latency={"source": "device:board://1", "remedy": "go"},
        tools={"memory": "vela"},
        sources={"dtypes": "a page"},
        operators={"ADD": {"since": 13, "limits": ["no_fused_activation"], "note": "n"}, "SUB": {}},
    )
    assert (found.memory_bytes, found.latency_source, found.latency_remedy) == (
        8_000,
        LatencySource("board://1"),
        "go",
    )
    assert found.operators == {
        "ADD": OperatorRule("13", ("no_fused_activation",), "n"),
        "SUB": OperatorRule(),
    }
    assert found.sources == {"dtypes": "a page"}
    assert found.tools == {"memory": "vela"}
    assert found.is_host("x86_64")


def test_what_is_left_out_is_taken_from_the_base() -> None:
    base = made(**BARE, title="base", operators={"ADD": {}, "SUB": {"note": "n"}})
    found = made(base, io_dtypes=["int8"], operators={"SUB": {}, "MUL": {}})
    assert (found.title, found.formats, found.io_dtypes) == ("base", ("litert",), ("int8",))
    assert set(found.operators) == {"ADD", "SUB", "MUL"}
    assert found.operators["SUB"] == OperatorRule()
    assert set(base.operators) == {"ADD", "SUB"}


@pytest.mark.parametrize("missing", BARE)
def test_what_has_no_default_has_to_be_given(missing: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{missing} missing") as raised:
        made(**{key: value for key, value in BARE.items() if key != missing})
    assert raised.value.remedy.endswith('from = "coral"')


def test_a_misspelt_key_is_offered_the_nearest() -> None:
    found = refusal(io_dtype=["int8"])
    assert "unknown key 'io_dtype', did you mean 'io_dtypes'?" in found.message
    assert found.remedy.startswith("the keys of a target are activations, ")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("title", 5, "title = 5 is not a str"),
        ("static_shape", "yes", "static_shape = 'yes' is not a bool"),
        ("memory_bytes", "8 MB", "memory_bytes = '8 MB' is not a int"),
        ("memory_bytes", True, "memory_bytes = True is not a int"),
        ("formats", "litert", "formats = 'litert' is not a list of names"),
        ("dtypes", [8], "dtypes = [8] is not a list of names"),
        ("dtypes", ["int9"], "dtypes has 'int9', did you mean 'int8'?"),
        ("io_dtypes", ["uint"], "io_dtypes has 'uint'"),
        ("default_io", "byte", "default_io = 'byte' is not a dtype"),
        ("sources", "a page", "sources is not a table"),
        ("latency", "6 ms", "latency is not a table"),
        ("latency", {"remedie": "x"}, "unknown key 'latency.remedie', did you mean 'remedy'?"),
        ("latency", {"source": "hots"}, "latency.source = 'hots' is not a source of a latency"),
        ("latency", {"source": "host:litert"}, "is not a source of a latency"),
        ("latency", {"source": "device:"}, "is not a source of a latency"),
        ("latency", {"source": "vendor:"}, "is not a source of a latency"),
        ("latency", {"source": 5}, "latency.source = 5 is not a str"),
        ("tools", "vela", "tools is not a table"),
        ("tools", {"memory": 5}, "tools.memory = 5 is not a str"),
        ("tools", {"memory": ""}, "tools.memory names nothing"),
        ("tools", {"memroy": "vela"}, "no budget 'memroy', did you mean 'memory'?"),
        ("tools", {"latency_ratio": "vela"}, "and latency_ratio takes more"),
        ("tools", {"latency_regression": "vela"}, "and latency_regression takes more"),
        ("tools", {"accuracy_drop": "vela"}, "a tool is given one file and no samples"),
        ("tools", {"size": "vela"}, "the gate reads size off the file itself"),
        ("tools", {"compression": "vela"}, "the gate reads compression off the file itself"),
        ("tools", {"macs": "vela"}, "the gate reads macs off the file itself"),
        ("tools", {"parameters": "vela"}, "the gate reads parameters off the file itself"),
        ("tools", {"parity_lsb": "vela"}, "and parity_lsb takes more"),
        ("tools", {"max_error": "vela"}, "and max_error takes more"),
        ("tools", {"size_regression": "vela"}, "and size_regression takes more"),
        ("tool", "bench", "tool is not a table"),
        ("tool", {"bench": "run"}, "tool.bench is not a table"),
        ("tool", {"bench": {"command": "run x"}}, "tool.bench.command = 'run x' is not a list"),
        ("tool", {"bench": {"command": []}}, "tool.bench.command names nothing"),
        ("tool", {"bench": {"command": [""]}}, "tool.bench.command names no program"),
        (
            "tool",
            {"bench": {"command": ["x"], "secnds": 5}},
            "'tool.bench.secnds', did you mean 'seconds'?",
        ),
        ("tool", {"bench": {"command": ["x"], "version": [5]}}, "tool.bench.version = [5] is not"),
        ("tool", {"bench": {"command": ["x"]}}, "tool.bench reports no metric"),
        ("tool", {"bench": {"seconds": 5}}, "tool.bench reports no metric"),
        ("tool", {"bench": {"command": ["x"], "version": [""]}}, "tool.bench.version names no"),
        ("tool", {"bench": {"command": ["x", "a\0b"]}}, "tool.bench.command has a null byte"),
        ("tool", {"bench": {"command": ["x", "y" * 200_000]}}, "tool.bench.command has 200,001 b"),
        ("tool", {"bench": {"command": ["x"], "seconds": 0}}, "seconds = 0 is no time limit"),
        ("tool", {"bench": {"command": ["x"], "seconds": -1}}, "seconds = -1 is no time limit"),
        ("tool", {"bench": {"command": ["x"], "seconds": 0.5}}, "seconds = 0.5 is no time limit"),
        ("tool", {"bench": {"command": ["x"], "seconds": True}}, "seconds = True is no time"),
        ("tool", {"bench": {"command": ["x"], "seconds": 86_401}}, "seconds = 86401 is no time"),
        ("tool", {"vendor:x": {"command": ["x"]}}, "tool.vendor:x is no name of a tool"),
        ("tool", {"vela": {"config": {}}}, "tool.vela.config = {} is no option"),
        ("tool", {"vela": {"flags": ["vela", 7]}}, "tool.vela.flags = ['vela', 7] is no option"),
        ("runtimes", ["litert"], "runtimes is not a table"),
        ("operators", {"ADD": {"limits": ["no_fused"]}}, "the unknown limit 'no_fused', did you"),
    ],
)
def test_a_value_that_can_not_be_meant(key: str, value: Any, said: str) -> None:
    assert said in refusal(**{key: value}).message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("operators", ["ADD"]),
        ("operators", {"ADD": "yes"}),
        ("operators", {"ADD": {"limts": ["same_dilation"]}}),
        ("operators", {"ADD": {"limits": 5}}),
        ("runtimes", {"litert": "litert-xnnpack"}),
        ("runtimes", {"litert": [5]}),
        ("runtimes", {"litert": []}),
        ("runtimes", {"onnx": ["onnxruntime"]}),
        ("latency", {"remedy": 5}),
        ("formats", []),
        ("dtypes", []),
    ],
)
def test_a_value_that_would_break_later_is_refused_here(key: str, value: Any) -> None:
    assert key in refusal(**{key: value}).message


def test_every_limit_has_its_check() -> None:
    assert sorted({*CHECKS, *OF_NUMBERS}) == sorted(LIMITS)


def test_what_the_built_in_targets_ask() -> None:
    coral, host = built_in()["coral"], built_in()["host"]
    assert (coral.dtypes, coral.io_dtypes, coral.default_io) == (
        ("int8",),
        ("uint8", "int8"),
        "uint8",
    )
    assert coral.complete_with_ptq
    assert coral.static_shape
    assert not coral.is_host("x86_64")
    assert host.dtypes == ("float32", "float16", "int8")
    assert host.io_dtypes == ()
    assert not host.complete_with_ptq
    assert host.is_host("aarch64")
    assert coral.runtimes == {"litert": ("litert-xnnpack", "litert-reference")}
    assert host.runtimes["litert"] == coral.runtimes["litert"]
    assert host.preferred["torch"] == host.preferred["onnx"] == "onnx"
    assert host.preferred["keras"] == host.preferred["litert"] == "litert"


def test_a_jetson_is_given_what_tensorrt_takes() -> None:
    nano, orin = built_in()["jetson-nano"], built_in()["jetson-orin-nano"]
    assert nano.formats == orin.formats == ("onnx",)
    assert nano.activations == orin.activations == "int8"
    assert nano.refusals == orin.refusals
    assert set(nano.refusals) == set(REFUSALS)
    assert all(words.startswith("NVIDIA's ONNX parser") for words in nano.refusals.values())
    assert not nano.is_host("aarch64")
    assert "no int8 arithmetic" in nano.cautions["int8"]
    assert not orin.cautions


def test_what_a_vendor_refuses() -> None:
    base = made(**BARE, refusals={"zero_points": "no"})
    assert made(base).refusals == {"zero_points": "no"}
    assert made(base, refusals={}).refusals == {}
    assert made(base, refusals={"wide_integers": "no"}).refusals == {"wide_integers": "no"}
    assert made(**BARE).refusals == {}
    wrong = refusal(refusals={"zero_point": "no"})
    assert "unknown key 'refusals.zero_point', did you mean 'zero_points'?" in wrong.message
    assert "refusals.zero_points = 1 is not a str" in refusal(refusals={"zero_points": 1}).message
    assert "refusals is not a table" in refusal(refusals="no").message


def test_what_a_preferred_format_may_be() -> None:
    assert made(**BARE, preferred={"torch": "litert"}).preferred == {"torch": "litert"}
    assert "preferred names onnx" in refusal(preferred={"torch": "onnx"}).message
    assert "preferred.torch = 5 is not a str" in refusal(preferred={"torch": 5}).message
    assert "cautions.int8 = 1 is not a str" in refusal(cautions={"int8": 1}).message
    assert "activations = 'int4' is not a dtype" in refusal(activations="int4").message


@pytest.mark.parametrize("size", [0, -5, 1 << 63, int("9" * 4_000)])
def test_a_memory_of_no_size(size: int) -> None:
    assert "memory_bytes is not a size of a memory" in refusal(memory_bytes=size).message


LATENCIES = {"latency_p50", "latency_p95", "latency_p99", "latency_first"}


def test_a_vendors_tool_for_all_latencies_in_one_word() -> None:
    found = made(**BARE, latency={"source": "vendor:profiler"}, tools={"latency_p99": "other"})
    assert found.latency_source == LatencySource()
    assert found.tools == dict.fromkeys(LATENCIES, "profiler") | {"latency_p99": "other"}


def test_tools_are_those_of_the_base_but_where_others_are_named() -> None:
    base = made(**BARE, tools={"memory": "vela", "flash": "vela"})
    assert made(base, tools={"flash": "sizes"}).tools == {"memory": "vela", "flash": "sizes"}
    assert made(base).tools == base.tools


def test_options_of_tools_are_those_of_the_base_but_where_others_are_given() -> None:
    base = made(
        **BARE,
        tools={"memory": "vela", "flash": "bench", "mapped_ops": "sizes"},
        tool={"vela": {"memory_mode": "A", "config": "x.ini"}, "bench": {"n": 3}},
    )
    found = made(base, tool={"vela": {"memory_mode": "B"}, "sizes": {"flags": ["size", "-A"]}})
    assert found.tool_options == {
        "vela": {"memory_mode": "B", "config": "x.ini"},
        "bench": {"n": 3},
        "sizes": {"flags": ["size", "-A"]},
    }
    assert made(base).tool_options == base.tool_options


def test_a_table_with_a_command_is_a_tool_by_itself() -> None:
    table = {"command": ["bench", "{model}"], "version": ["bench", "-V"], "seconds": 9}
    tools = {"memory": "bench", "flash": "vela"}
    found = made(**BARE, tools=tools, tool={"bench": table, "vela": {"n": 1}})
    assert found.programs == {"bench": Program(("bench", "{model}"), ("bench", "-V"), 9)}
    assert found.tool_options == {"vela": {"n": 1}}
    assert made(found).programs == found.programs


def test_a_table_is_about_the_command_of_the_base() -> None:
    tool = {"bench": {"command": ["bench"], "version": ["bench", "-V"]}}
    base = made(**BARE, tools={"memory": "bench"}, tool=tool)
    slow = made(base, tool={"bench": {"seconds": 1800}})
    assert slow.programs == {"bench": Program(("bench",), ("bench", "-V"), 1800)}
    assert not slow.tool_options
    other = made(slow, tool={"bench": {"command": ["x"], "version": ["x", "-v"]}})
    assert other.programs == {"bench": Program(("x",), ("x", "-v"), 1800)}
    with pytest.raises(ConfigurationError, match=r"'tool\.bench\.second', did you mean 'seconds'"):
        made(base, tool={"bench": {"second": 5}})
    with pytest.raises(ConfigurationError, match=r"tool\.bnch reports no metric, did you mean 'be"):
        made(base, tool={"bnch": {"seconds": 5}})


def test_a_command_has_no_options_of_the_tool_whose_name_it_takes() -> None:
    found = made(built_in()["ethos-u55-128"], tool={"vela": {"command": ["my-vela"]}})
    assert found.programs == {"vela": Program(("my-vela",))}
    assert not found.tool_options


def test_what_a_tool_may_report() -> None:
    of_chips = {"memory", "flash", "mapped_ops", "streamed_bytes"}
    assert {each.name for each in BUDGETS.values() if may_report(each)} == of_chips | LATENCIES
    remedy = refusal(tools={"size": "vela"}).remedy
    assert all(each in remedy for each in of_chips | LATENCIES)


@pytest.mark.parametrize("source", ["host", "device:board://1"])
def test_who_says_what_times_it_wants_no_tool_of_the_base_for_it(source: str) -> None:
    base = made(**BARE, latency={"source": "vendor:profiler"}, tools={"memory": "vela"})
    assert made(base, latency={"source": source}).tools == {"memory": "vela"}
    assert made(base, latency={"remedy": "go"}).tools == base.tools


@pytest.mark.parametrize(
    ("source", "machine", "single", "ratio"),
    [
        (LatencySource(), "any", "host", "host"),
        (LatencySource(), "x86_64", "host", "host"),
        (LatencySource(), "aarch64", None, None),
        (LatencySource("board://1"), "aarch64", "board://1", None),
        (LatencySource("board://1"), "any", "board://1", "board://1"),
    ],
)
def test_what_times_a_latency(
    source: LatencySource, machine: str, single: str | None, ratio: str | None
) -> None:
    target = replace(made(**BARE), machine=machine, latency_source=source)
    for metric, url in (("latency_p95", single), ("latency_ratio", ratio)):
        found = target.timed_by("x86_64", on_host_only=BUDGETS[metric].on_host_only)
        assert (found and found.url) == url


def test_the_scheme_of_a_device() -> None:
    assert [each.scheme for each in (LatencySource(), LatencySource("board://1:2"))] == [
        "host",
        "board",
    ]


MAPPING: dict[str, Any] = {
    "name": "rules",
    "compiler": "16",
    "runtime": "14",
    "activations": ["int8"],
    "most_dimensions": 3,
}


def test_the_rules_of_a_compiler() -> None:
    found = made(
        **BARE,
        mapping={
            **MAPPING,
            "cpu": ["ARG_MAX"],
            "cpu_at_ends": [],
            "words": {"operator": "no"},
            "guesses": {"int16": "perhaps"},
            "sources": {"dtype": "a page"},
            "newest": {"ADD": 4, "RELU": [2, 3], "GELU": 0},
        },
        limits={"resize_factor": {"most": 8, "taken": 2, "refused": 15.5, "guess": "g"}},
        operators={"ADD": {"guess": "from memory"}},
    )
    rules = found.mapping
    assert rules is not None
    assert (rules.name, rules.most_dimensions, rules.cpu) == ("rules", 3, ("ARG_MAX",))
    assert (rules.words, rules.guesses) == ({"operator": "no"}, {"int16": "perhaps"})
    assert rules.newest == {"ADD": (4, 4), "RELU": (2, 3), "GELU": (0, 0)}
    assert found.limits == {"resize_factor": LimitRule(8.0, 2.0, 15.5, "g")}
    assert found.operators["ADD"].guess == "from memory"


def test_a_rule_that_is_left_out_is_that_of_the_base() -> None:
    base = made(**BARE, mapping=MAPPING, limits={"one_row": {"guess": "g"}})
    found = made(base, mapping={"runtime": "12"}, limits={"fours": {"source": "s"}})
    assert found.mapping == replace(base.mapping, runtime="12") if base.mapping else False
    assert set(found.limits) == {"one_row", "fours"}
    assert made(base).mapping == base.mapping
    assert made(**BARE).mapping is None


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("mapping", {"name": "rules"}, "mapping lacks compiler, runtime, activations, most_dim"),
        ("mapping", {**MAPPING, "cpus": []}, "unknown key 'mapping.cpus', did you mean"),
        ("mapping", {**MAPPING, "most_dimensions": "3"}, "most_dimensions = '3' is not a int"),
        ("mapping", {**MAPPING, "activations": "int8"}, "activations = 'int8' is not a list"),
        ("mapping", {**MAPPING, "words": {"oprator": "x"}}, "did you mean 'operator'?"),
        ("mapping", {**MAPPING, "guesses": {"dtype": 1}}, "guesses.dtype = 1 is not a str"),
        *(
            ("mapping", {**MAPPING, "newest": {"ADD": value}}, "newest.ADD = ")
            for value in ("4", -1, True, 1.5, [], [1], [3, 2], [1, 2, 3], [1, "2"])
        ),
        ("mapping", {**MAPPING, "newest": 3}, "mapping.newest is not a table"),
        ("mapping", "rules", "mapping is not a table"),
        ("limits", {"one_rwo": {}}, "unknown key 'limits.one_rwo', did you mean 'one_row'?"),
        ("limits", {"one_row": {"mots": 1}}, "did you mean 'most'?"),
        ("limits", {"one_row": {"most": "8"}}, "limits.one_row.most = '8' is not a float"),
        ("limits", {"one_row": {"most": True}}, "is not a float"),
        ("limits", {"one_row": {"most": -1}}, "limits.one_row.most = -1 is no number above 0"),
        ("limits", {"one_row": {"most": float("nan")}}, "is no number above 0"),
        ("limits", {"one_row": 3}, "limits.one_row is not a table"),
    ],
)
def test_rules_that_can_not_be_read(key: str, value: Any, said: str) -> None:
    found = refusal(**{key: value})
    assert said in found.message
    assert found.remedy


def test_a_rule_has_the_name_of_what_it_decides() -> None:
    assert {*RULES} == {*Why} - {Why.COMPILED}
