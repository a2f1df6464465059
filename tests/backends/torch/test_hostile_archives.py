"""A .pt2 archive with code in it is refused, and nothing of it has run."""

from __future__ import annotations

import io
import json
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_edgegate.backends.torch.archive import vetted
from pytest_edgegate.backends.torch.pickled import foreign_globals
from pytest_edgegate.backends.torch.program import plain
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.core.ports import SourceModel

MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
SAMPLES = "data/sample_inputs/model.pt"


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (open, (str(self.marker), "w"))


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "ran"
    yield path
    assert not path.exists(), "code of the file has run"


def touching(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w')"


def torch_saved(content: bytes) -> bytes:
    """As torch.save writes: a zip with the pickle as data.pkl."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        out.writestr("archive/data.pkl", content)
        out.writestr("archive/version", "3\n")
        out.writestr("archive/byteorder", "little")
    return made.getvalue()


def first_node(model: Any) -> Any:
    return model["graph_module"]["graph"]["nodes"][0]


def renamed(model: Any, old: str, new: str) -> Any:
    return json.loads(json.dumps(model).replace(json.dumps(old), json.dumps(new)))


def refused(recognise: Callable[..., SourceModel], path: Path, part: str = "") -> None:
    with pytest.raises((UnsupportedError, ConfigurationError)) as raised:
        recognise(path)
    assert part in raised.value.message
    assert raised.value.remedy
    with pytest.raises((UnsupportedError, ConfigurationError)):
        vetted(path)


def test_a_healthy_archive_is_taken(archive: Any, recognise: Any, marker: Path) -> None:
    """Else every refusal below would say nothing."""
    assert recognise(archive.write()).load().outputs == ("output",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_sample_inputs_that_run_code(
    archive: Any, recognise: Any, marker: Path, protocol: int
) -> None:
    content = torch_saved(pickle.dumps(((Evil(marker),), {}), protocol))
    archive.put(SAMPLES, content)
    refused(recognise, archive.write(), "open")


@pytest.mark.parametrize("trick", ["memo", "odd name", "compressed"])
def test_sample_inputs_that_hide_their_code(
    archive: Any, recognise: Any, marker: Path, trick: str
) -> None:
    # collections, OrderedDict are the last strings written; builtins.open comes from the memo
    memo = (
        b"\x80\x04\x8c\x08builtins\x94\x8c\x04open\x94"
        b"\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x9400h\x00h\x01\x93"
        + b"\x8c"
        + bytes([len(str(marker))])
        + str(marker).encode()
        + b"\x8c\x01w\x86R."
    )
    made = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if trick == "compressed" else zipfile.ZIP_STORED
    with zipfile.ZipFile(made, "w", kind) as out:
        out.writestr("archive/DATA.PKL" if trick == "odd name" else "archive/data.pkl", memo)
        out.writestr("archive/data/0", bytes(10_000))
    archive.put(SAMPLES, made.getvalue())
    part = "compressed" if trick == "compressed" else "builtins open"
    refused(recognise, archive.write(), part)


def test_the_copy_for_torch_has_no_pickle(archive: Any) -> None:
    with zipfile.ZipFile(vetted(archive.write())) as copy:
        assert copy.read(f"archive/{SAMPLES}") == b""
        assert not any(name.endswith(".pt") and copy.read(name) for name in copy.namelist())


def test_weights_that_say_they_are_pickled(archive: Any, recognise: Any, marker: Path) -> None:
    config = archive.json(WEIGHTS)
    payload = next(iter(config["config"].values()))
    payload["use_pickle"] = True
    archive.put(WEIGHTS, config)
    archive.put(f"data/weights/{payload['path_name']}", torch_saved(pickle.dumps(Evil(marker), 2)))
    refused(recognise, archive.write(), "pickled")


@pytest.mark.parametrize("member", ["opaque_obj_0", "opaque_obj/evil", "custom_obj_0"])
def test_constants_that_are_objects(
    archive: Any, recognise: Any, marker: Path, member: str
) -> None:
    archive.put(
        CONSTANTS,
        {
            "config": {
                "k": {
                    "path_name": member,
                    "is_param": False,
                    "use_pickle": True,
                    "tensor_meta": None,
                }
            }
        },
    )
    archive.put(f"data/constants/{member}", pickle.dumps(Evil(marker)))
    refused(recognise, archive.write(), member)


@pytest.mark.parametrize(
    "member",
    [
        "data/weights/model.pt",
        "data/constants/model.pt",
        "data/aotinductor/model/a.so",
        "models/modelX",
        "models/other.json",
        "MODELS/MODEL.JSON",
        "../models/model.json",
        "data/weights/weight_0/../../x",
    ],
)
def test_members_that_no_plain_program_has(
    archive: Any, recognise: Any, marker: Path, member: str
) -> None:
    archive.put(member, torch_saved(pickle.dumps((Evil(marker),), 2)))
    refused(recognise, archive.write(), "member")


def test_files_and_folders_beside_the_program_do_no_harm(
    archive: Any, recognise: Any, marker: Path
) -> None:
    """Extra files of torch.export.save, and what other zip programs write; torch sees neither."""
    archive.put("extra/labels.txt", b"cat, dog")
    archive.members = {
        "my folder/" + name.split("/", 1)[1]: content for name, content in archive.members.items()
    }
    folders = ("", "models/", "data/", "data/weights/", "extra/")
    archive.members |= {f"my folder/{each}": b"" for each in folders}
    assert recognise(archive.write()).load().outputs == ("output",)


@pytest.mark.parametrize(
    ("member", "remedy"),
    [("notes.txt", "extra_files={name: text}"), ("data/mine/", "extra_files={name: text}")],
)
def test_records_of_ones_own_are_not_called_code(
    archive: Any, recognise: Any, member: str, remedy: str
) -> None:
    archive.put(member, b"")
    with pytest.raises(UnsupportedError) as raised:
        recognise(archive.write())
    assert f"members that torch.export.save does not write (the member {member!r})" in str(
        raised.value
    )
    assert remedy in raised.value.remedy


def test_other_forms_of_programs_are_named(archive: Any, recognise: Any) -> None:
    root, whole = archive.root, dict(archive.members)
    archive.members = {"serialized_exported_program.json": b"{}", "version": b"5.1"}
    refused(recognise, archive.write(), "in the form of torch 2.7 and older")
    archive.members = {name.removeprefix(f"{root}/"): each for name, each in whole.items()}
    refused(recognise, archive.write(), "its members lie in no folder")
    archive.members = {name.replace("/model.", "/net."): each for name, each in whole.items()}
    refused(recognise, archive.write(), "holds its program as models/net.json")


def test_the_same_member_twice(archive: Any, recognise: Any, marker: Path) -> None:
    path = archive.write()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "a") as out:
        out.writestr(f"{archive.root}/{MODEL}", archive.members[f"{archive.root}/{MODEL}"])
    refused(recognise, path, "twice")


def test_two_archives_in_one(archive: Any, recognise: Any, marker: Path) -> None:
    archive.members[f"other/{MODEL}"] = b"{}"
    refused(recognise, archive.write(), "")


def expressions(marker: Path) -> dict[str, str]:
    run = touching(marker)
    return {
        "call": run,
        "import": f"__import__('os').system('touch {marker}')",
        "S": f'S("{run}")',
        "sympify": f'sympify("{run}")',
        "text in a call": f'Max("{run}")',
        "text in a symbol": f'Symbol("{run}")',
        "text in a float": f'Float("{run}")',
        "text by keyword": f'Symbol("a", positive="{run}")',
        "attribute": "Symbol('a').__class__.__mro__",
        "lambda": f"(lambda: {run})()",
        "index": f"[{run}][0]",
        "comprehension": f"Max(*[{run} for a in (1,)])",
        "line": f"Max(1, #\n{run})",
        "star": f"Max(**{{'a': {run}}})",
        "format": f"f'{{{run}}}'",
        "factorial": f'1!+eval("{run}")',
        "plain text in a call": "Max('eval(1)')",
        "plain text by keyword": "Symbol('a', positive='eval(1)')",
        "text that is no number": "Float('eval')",
        "comment": "Max(1, 2) # 3",
        "broken line": "Max(1,\n2)",
        "a tower of powers": "9**9**9**9",
        "powers of powers": "((((9**8)**8)**8)**8)**8",
        "a large power": "Pow(Integer(9), Integer(999999999))",
        "a large shift": "LShift(1, 1000000000000)",
        "many digits": "Float('1.5', dps=1000000000)",
        "a long chain": "~" * 3000 + "1",
        "a long sum": "1 + " * 3000 + "1",
        "empty": "",
    }


@pytest.mark.parametrize("kind", expressions(Path("marker")))
def test_expressions(archive: Any, recognise: Any, marker: Path, kind: str) -> None:
    expression = expressions(marker)[kind]
    assert not plain(expression)
    text = json.dumps(archive.json(MODEL))
    symbol = next(part for part in text.split('"') if part.startswith("Symbol("))
    archive.put(MODEL, renamed(json.loads(text), symbol, expression))
    refused(recognise, archive.write(), "expression")


@pytest.mark.parametrize("kind", sorted(expressions(Path("marker")).keys() - {"empty"}))
def test_names_of_ranges(archive: Any, recognise: Any, marker: Path, kind: str) -> None:
    """They may be expressions over sizes, and no others."""
    model = archive.json(MODEL)
    ranges = model["range_constraints"]
    ranges[expressions(marker)[kind]] = next(iter(ranges.values()))
    archive.put(MODEL, model)
    refused(recognise, archive.write(), "the name")


@pytest.mark.parametrize(
    "expression",
    [
        "Symbol('s31', positive=True, integer=True)",
        "Mul(Integer(3), Symbol('s31'))",
        "s0 + 1",
        "FloorDiv(Add(Symbol('s0', integer=True), Integer(-1)), Integer(2))",
        "2*s0//3",
        "Float('0.5', precision=53)",
        "Eq(Symbol('u0'), Integer(4))",
        "Max(1, s0)",
        "s0**2 + 1",
        "Pow(Symbol('s0', integer=True), Integer(-1))",
        "s0 >= 2",
    ],
)
def test_expressions_that_sizes_need(expression: str) -> None:
    assert plain(expression)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "torch.hub.load",
        "builtins.eval",
        "torch.ops.load_library",
        "torch.ops.import_module",
        "torch.ops.aten.save.default",
        "torch.ops.aten.from_file.out",
        "_operator.methodcaller",
        "_operator.attrgetter",
        "_operator.call",
        "math.perm",
        "torch.ops.aten.__class__.mro",
        "torch.ops.aten.__init__.default",
        "#ns:op",
        "torch.ops.aten.add.__globals__",
        "torch.load",
        "torch.ops.higher_order.wrap",
        "torch.ops.mine.op.default",
        "torch.ops.aten.add.Tensor\n",
        "",
    ],
)
@pytest.mark.parametrize("place", ["target", "argument"])
def test_calls_of_other_than_operators(
    archive: Any, recognise: Any, marker: Path, target: str, place: str
) -> None:
    model = archive.json(MODEL)
    node = first_node(model)
    if place == "target":
        node["target"] = target
    else:
        node["inputs"][0]["arg"] = {"as_operator": target}
    archive.put(MODEL, model)
    refused(recognise, archive.write(), "call of")


@pytest.mark.parametrize(
    "name", ["x=open('{marker}', 'w')", "x\n    open('{marker}', 'w')", "x;y", "x: y", 'a"b']
)
@pytest.mark.parametrize("what", ["x", "conv2d", "conv.weight"])
def test_names_that_become_python(
    archive: Any, recognise: Any, marker: Path, name: str, what: str
) -> None:
    name = name.format(marker=marker)
    model = archive.json(MODEL)
    assert json.dumps(what) in json.dumps(model)
    archive.put(MODEL, renamed(model, what, name))
    refused(recognise, archive.write(), "name")


def test_guards_are_dropped(archive: Any, recognise: Any, marker: Path) -> None:
    """torch compiles them to Python: the copy that it reads has none."""
    model = archive.json(MODEL)
    model["guards_code"] = [f"{touching(marker)} is not None"]
    first_node(model)["metadata"]["stack_trace"] = f"x\n{touching(marker)}"
    archive.put(MODEL, model)
    assert recognise(archive.write()).load().outputs == ("output",)


@pytest.mark.parametrize("place", ["in_spec", "out_spec"])
@pytest.mark.parametrize("kind", ["defaultdict", "enum", "name", "other"])
def test_containers_that_import(
    archive: Any,
    recognise: Any,
    marker: Path,
    tmp_path: Path,
    place: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "evil_module.py").write_text(touching(marker))
    monkeypatch.syspath_prepend(tmp_path)
    leaf = {"type": None, "context": None, "children_spec": []}
    context, type_ = {
        "defaultdict": (
            {
                "default_factory_module": "evil_module",
                "default_factory_name": "x",
                "dict_context": ["a"],
            },
            "collections.defaultdict",
        ),
        "enum": ([{"__enum__": True, "fqn": "evil_module:A", "name": "x"}], "builtins.dict"),
        "other": (["a"], "torch.Size"),
        "name": ([f"a=open({str(marker)!r}, 'w')"], "builtins.dict"),
    }[kind]
    if kind == "name" and place == "out_spec":
        pytest.skip("keys of outputs are not compiled")
    model = archive.json(MODEL)
    spec = {"type": type_, "context": json.dumps(context), "children_spec": [leaf]}
    signature = model["graph_module"]["module_call_graph"][0]["signature"]
    signature[place] = json.dumps([1, spec])
    archive.put(MODEL, model)
    refused(recognise, archive.write(), place)


def test_a_zip_bomb(archive: Any, recognise: Any) -> None:
    archive.put("data/weights/weight_0", bytes(10_000_000))
    path = archive.write(zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    refused(recognise, path, "compressed")


def test_a_member_that_says_it_is_huge(archive: Any, recognise: Any) -> None:
    path = archive.write()
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 0xF0000000)
    path.write_bytes(bytes(content))
    refused(recognise, path, "")


def test_a_tensor_of_no_bytes_and_any_size(archive: Any, recognise: Any) -> None:
    config = archive.json(WEIGHTS)
    payload = next(iter(config["config"].values()))
    payload["tensor_meta"]["sizes"] = [{"as_int": 10**12}]
    archive.put(WEIGHTS, config)
    archive.put(f"data/weights/{payload['path_name']}", b"")
    refused(recognise, archive.write(), "no bytes")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b"\xff\xfe{}", b"null", b"[]", b'{"config": 3}']
)
@pytest.mark.parametrize("member", [MODEL, WEIGHTS])
def test_json_that_is_none(archive: Any, recognise: Any, content: bytes, member: str) -> None:
    archive.put(member, content)
    with pytest.raises((ConfigurationError, UnsupportedError)) as raised:
        recognise(archive.write()).load()
    assert raised.value.remedy


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_an_archive_cut_short(healthy: Path, recognise: Any, tmp_path: Path, share: float) -> None:
    content = healthy.read_bytes()
    path = tmp_path / "cut.pt2"
    path.write_bytes(content[: int(len(content) * share)])
    refused(recognise, path, "damaged")


def test_the_pickles_of_plain_tensors_name_nothing_foreign(torch: ModuleType) -> None:
    tensors = {"a": torch.zeros(2), "b": torch.nn.Parameter(torch.ones(3).half())}
    for protocol in (2, 4):
        made = io.BytesIO()
        torch.save(tensors, made, pickle_protocol=protocol)
        with zipfile.ZipFile(made) as opened:
            name = next(each for each in opened.namelist() if each.endswith("data.pkl"))
            assert list(foreign_globals(opened.read(name))) == []
