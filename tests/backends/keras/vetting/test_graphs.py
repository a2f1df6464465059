"""Graphs of SavedModels, written byte by byte: what passes, and what is refused by which name."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from pytest_edgegate.backends.keras.vetting.files import vet_saved_model
from pytest_edgegate.backends.keras.vetting.graphs import COUNTS, meta_graphs
from pytest_edgegate.backends.keras.vetting.lists import harmless_operators
from pytest_edgegate.backends.keras.vetting.operators import faults
from pytest_edgegate.backends.keras.vetting.wire import WireError, within
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError

# A writer of the wire format, which knows no schema either


def number(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def field(at: int, content: bytes | str) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return number(at << 3 | 2) + number(len(raw)) + raw


def node(name: str, kind: str, *inputs: str, calls: str = "", also: str = "") -> bytes:
    made = field(1, name) + field(2, kind) + b"".join(field(3, each) for each in inputs)
    if also:
        made += field(2, also)
    if calls:
        made += field(5, field(1, "f") + field(2, field(10, field(1, calls))))
    return made


def function(
    name: str, *nodes: bytes, arguments: tuple[str, ...] = (), attributes: tuple[str, ...] = ()
) -> bytes:
    signature = field(1, name) + b"".join(field(2, field(1, each)) for each in arguments)
    told = b"".join(field(5, field(1, each)) for each in attributes)
    return field(1, signature) + b"".join(field(3, each) for each in nodes) + told


def calling(name: str, kind: str, attribute: str, function: str) -> bytes:
    """An operator with a function under an attribute of any name."""
    value = field(2, field(10, field(1, function)))
    return node(name, kind, "saver_filename") + field(5, field(1, attribute) + value)


def saved_model(
    nodes: tuple[bytes, ...] = (),
    functions: tuple[bytes, ...] = (),
    saver: tuple[str, ...] = (),
    signature: str = "",
    objects: str = "",
) -> bytes:
    library = b"".join(field(1, each) for each in functions)
    graph = b"".join(field(1, each) for each in nodes) + field(2, library)
    meta = field(2, graph)
    if saver:
        meta += field(3, b"".join(field(at, each) for at, each in enumerate(saver, 1)))
    if signature:
        tensor = field(2, field(1, "y") + field(2, field(1, signature)))
        meta += field(5, field(1, "serving_default") + field(2, tensor))
    if objects:
        meta += field(7, field(1, field(6, field(1, objects))))
    return field(2, meta)


def found(content: bytes) -> list[str]:
    return [each for graph in meta_graphs(content) for each in faults(graph, harmless_operators())]


# Operators


def test_arithmetic_passes() -> None:
    inner = function("inner", node("m", "MatMul", "x", "x"), arguments=("x",))
    outer = node("y", "StatefulPartitionedCall", "x", calls="inner")
    assert found(saved_model((node("x", "Placeholder"), outer), (inner,))) == []


@pytest.mark.parametrize(
    "kind",
    [
        "ReadFile",
        "WriteFile",
        "MatchingFiles",
        "PyFunc",
        "PyFuncStateless",
        "EagerPyFunc",
        "Abort",
        "InitializeTableFromTextFile",
        "InitializeTableFromTextFileV2",
        "DebugIdentity",
        "ShardedFilename",
        "SaveV2",
        "RestoreV2",
        "Save",
        "MergeV2Checkpoints",
        "PrintV2",
        "TextLineReaderV2",
        "TFRecordDataset",
        "ImmutableConst",
        "XlaCallModule",
        "Send",
        "RemoteCall",
        "CompilationResult",
        "WriteGraphSummary",
        "AudioSummary",
        "Unheard",
        "",
    ],
)
def test_an_operator_that_is_not_on_the_list_is_named(kind: str) -> None:
    assert found(saved_model((node("evil", kind),))) == [kind]
    unused = function("unused", node("evil", kind))
    assert found(saved_model((), (unused,))) == [f"{kind} in unused"]


def test_each_of_two_kinds_of_a_node_counts() -> None:
    with pytest.raises(WireError, match="or several"):
        found(saved_model((node("evil", "WriteFile", also="Identity"),)))


def test_a_message_in_two_parts_is_read_whole() -> None:
    healthy, evil = saved_model((node("x", "Identity"),)), saved_model((node("e", "WriteFile"),))
    assert found(healthy + evil) == ["WriteFile"]


@pytest.mark.parametrize("names", ["inner inner", "a b a"])
def test_two_functions_of_one_name_are_refused(names: str) -> None:
    functions = tuple(function(each, node("m", "Identity")) for each in names.split())
    with pytest.raises(WireError, match="two functions"):
        found(saved_model((), functions))


@pytest.mark.parametrize("kind", ["Cast", "MatMul", "Const", "While", "PartitionedCall"])
def test_a_function_under_an_attribute_that_an_operator_does_not_have_is_refused(kind: str) -> None:
    """Such a function gets into the library of the running graph, where optimisers find it."""
    inner = function("inner", node("m", "Identity"))
    assert found(saved_model((calling("c", kind, "_z", "inner"),), (inner,))) == [
        f"inner by _z of {kind}"
    ]


def test_a_function_may_be_called_by_its_name_alone() -> None:
    inner = function("inner", node("m", "Identity"))
    assert found(saved_model((node("y", "inner"),), (inner,))) == []


@pytest.mark.parametrize("circle", [("f", "f"), ("f", "g", "f")])
def test_a_function_that_comes_to_itself_is_refused(circle: tuple[str, ...]) -> None:
    functions = tuple(
        function(name, node("m", "PartitionedCall", calls=called))
        for name, called in pairwise(circle)
    )
    assert found(saved_model((), functions)) == ["itself (f)"]


# The saver

ARGUMENT = ("saver_filename", "Placeholder")
SAVING = function(
    "save",
    node("part", "Const"),
    node("name", "StringJoin", "file_prefix", "part:output:0"),
    node("shard", "ShardedFilename", "name:output:0", "part", "part"),
    node("saved", "SaveV2", "shard:filename:0", "part", "part", "x"),
    node("all", "Pack", "shard:filename:0", "^saved"),
    node("merge", "MergeV2Checkpoints", "all:output:0", "file_prefix"),
    node("out", "Identity", "file_prefix", "^merge"),
    arguments=("file_prefix", "x"),
)
RESTORING = function(
    "restore",
    node("names", "Const"),
    node("read", "RestoreV2", "file_prefix", "names", "names"),
    node("put", "AssignVariableOp", "v", "read:tensors:0"),
    node("out", "Identity", "file_prefix", "^put"),
    arguments=("file_prefix", "v"),
)
SAVER = ("saver_filename:0", "saver:0", "restorer")
MAIN = (
    node(*ARGUMENT),
    node("w", "VarHandleOp"),
    node("saver", "StatefulPartitionedCall", "saver_filename", "w", calls="save"),
    node("restorer", "StatefulPartitionedCall", "saver_filename", "w", calls="restore"),
)


OF_TF1 = (
    node("filename", "PlaceholderWithDefault"),
    node("v", "VariableV2"),
    node("c", "Const"),
    node("save", "SaveV2", "filename", "c", "c", "v"),
    node("done", "Identity", "filename", "^save"),
    node("read", "RestoreV2", "filename", "c", "c"),
    node("put", "Assign", "v", "read"),
    node("all", "NoOp", "^put"),
    node("y", "Identity", "v"),
)
SAVER_OF_TF1 = ("filename:0", "done:0", "all")


def test_the_savers_own_functions_pass() -> None:
    assert found(saved_model(MAIN, (SAVING, RESTORING), SAVER)) == []
    assert found(saved_model(MAIN, (SAVING, RESTORING)))  # where no saver_def names them


def without(functions: tuple[bytes, ...], old: bytes, new: bytes) -> tuple[bytes, ...]:
    changed = tuple(each.replace(old, new) for each in functions)
    assert changed != functions
    return changed


CHANGED = {
    "it saves to a constant": node("saved", "SaveV2", "part0:filename:0", "part", "part", "x"),
    "it writes a file": node("saved", "Write2", "shard:filename:0", "part", "part", "x"),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_saver_of_another_form_is_refused(change: str) -> None:
    original = node("saved", "SaveV2", "shard:filename:0", "part", "part", "x")
    assert len(original) == len(CHANGED[change])
    functions = without((SAVING, RESTORING), original, CHANGED[change])
    assert "ShardedFilename in save" in found(saved_model(MAIN, functions, SAVER))


def test_a_restorer_that_reads_elsewhere_is_refused() -> None:
    functions = without(
        (SAVING, RESTORING),
        b"\x1a\x0bfile_prefix\x1a\x05names",
        b"\x1a\x05names\x1a\x0bfile_prefix",
    )
    assert "RestoreV2 in restore" in found(saved_model(MAIN, functions, SAVER))


def test_a_restorer_that_leaves_its_folder_is_refused() -> None:
    """The names of checkpoints may be joined where they are written, not where they are read."""
    elsewhere = function(
        "restore",
        node("up", "Const"),
        node("name", "StringJoin", "file_prefix", "up"),
        node("read", "RestoreV2", "name", "up", "up"),
        node("put", "AssignVariableOp", "v", "read"),
        node("out", "Identity", "file_prefix", "^put"),
        arguments=("file_prefix", "v"),
    )
    assert "RestoreV2 in restore" in found(saved_model(MAIN, (SAVING, elsewhere), SAVER))
    joined = (
        *OF_TF1[:5],
        node("name", "StringJoin", "filename", "c"),
        node("read", "RestoreV2", "name", "c", "c"),
        *OF_TF1[6:],
    )
    assert "RestoreV2" in found(saved_model(joined, (), SAVER_OF_TF1))


def test_a_saver_whose_files_are_named_by_what_is_no_constant_is_refused() -> None:
    argument = node("part", "AsString", "x")
    changed = function(
        "save",
        argument,
        node("name", "StringJoin", "file_prefix", "part"),
        node("saved", "SaveV2", "name", "x", "x", "x"),
        node("out", "Identity", "file_prefix", "^saved"),
        arguments=("file_prefix", "x"),
    )
    assert "SaveV2 in save" in found(saved_model(MAIN, (changed, RESTORING), SAVER))


@pytest.mark.parametrize("kind", ["PrintV2", "WriteFile", "Identity"])
def test_a_saver_is_called_by_nothing_but_a_call(kind: str) -> None:
    main = (*MAIN[:3], calling("restorer", kind, "_f", "restore"))
    assert f"restore by _f of {kind}" in found(saved_model(main, (SAVING, RESTORING), SAVER))


@pytest.mark.parametrize("attribute", ["api_implements", "api_preferred_device"])
def test_a_saver_that_an_optimiser_may_put_elsewhere_is_refused(attribute: str) -> None:
    swapped = function(
        "restore",
        node("names", "Const"),
        node("read", "RestoreV2", "file_prefix", "names", "names"),
        node("out", "Identity", "file_prefix", "^read"),
        arguments=("file_prefix", "v"),
        attributes=(attribute,),
    )
    assert "RestoreV2 in restore" in found(saved_model(MAIN, (SAVING, swapped), SAVER))


@pytest.mark.parametrize("called", ["save", "restore"])
def test_a_saver_that_something_else_calls_is_refused(called: str) -> None:
    evil = function("serve", node("evil", "PartitionedCall", "x", calls=called), arguments=("x",))
    assert f"its saver {called} in serve" in found(
        saved_model(MAIN, (SAVING, RESTORING, evil), SAVER)
    )
    in_main = (*MAIN, node("evil", "PartitionedCall", "w", calls=called))
    assert f"its saver {called}" in found(saved_model(in_main, (SAVING, RESTORING), SAVER))
    assert found(saved_model(MAIN, (SAVING, RESTORING), SAVER, objects=called))


def test_a_saver_that_something_waits_for_is_refused() -> None:
    waiting = (*MAIN, node("y", "Identity", "x", "^saver"))
    assert found(saved_model(waiting, (SAVING, RESTORING), SAVER))
    assert found(saved_model(MAIN, (SAVING, RESTORING), SAVER, signature="saver:0"))


def test_a_saver_in_the_main_graph_passes() -> None:
    assert found(saved_model(OF_TF1, (), SAVER_OF_TF1, signature="y:0")) == []


@pytest.mark.parametrize("evil", ["^save", "done:0", "^done", "^put"])
def test_nothing_waits_for_a_saver_in_the_main_graph(evil: str) -> None:
    nodes = (*OF_TF1, node("init", "Identity", "c", evil))
    assert found(saved_model(nodes, (), SAVER_OF_TF1))
    name = evil.lstrip("^")
    assert found(saved_model(OF_TF1, (), SAVER_OF_TF1, signature=name))


# Bytes


@pytest.mark.parametrize(
    "content",
    [
        b"\x0b",
        b"\x12\xff",
        b"\x12\x05abc",
        b"\xff" * 12,
        number(2 << 3) + b"\x01",
        field(2, field(2, field(1, b"\xff\xff"))),
        field(2, field(2, field(1, field(1, b"\xff")))),
    ],
)
def test_what_is_no_protocol_buffer_is_an_error_of_ours(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises((ConfigurationError, UnsupportedError)):
        vet_saved_model(tmp_path)


def test_attributes_of_attributes_are_followed() -> None:
    deep = field(1, "inner") + field(2, field(1, "k") + field(2, field(10, field(1, "saved"))))
    evil = field(1, "e") + field(2, "While") + field(5, field(1, "f") + field(2, field(10, deep)))
    [graph] = meta_graphs(saved_model((evil,)))
    assert graph.main.nodes["e"].calls == ("inner", "saved")
    listed = field(5, field(1, "b") + field(2, field(1, field(9, field(1, "one")))))
    [graph] = meta_graphs(saved_model((field(1, "e") + field(2, "Case") + listed,)))
    assert graph.main.nodes["e"].calls == ("one",)


@pytest.mark.parametrize("name", ["saved_model.pbtxt", "saved_model.cpb"])
def test_a_graph_that_was_not_looked_at_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "saved_model.pb").write_bytes(saved_model((node("x", "Identity"),)))
    vet_saved_model(tmp_path)
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(UnsupportedError, match=f"another graph in {name}"):
        vet_saved_model(tmp_path)


@pytest.mark.parametrize("name", ["Softsign", "Identity", "WriteFile", "_FusedMatMul", "A>B"])
def test_a_function_with_the_name_of_an_operator_is_refused(name: str) -> None:
    """TensorFlow calls it wherever a node seems to be that operator."""
    function_ = function(name, node("m", "MatMul"))
    assert found(saved_model((), (function_,)))[0] == (
        f"a function that is named as an operator ({name})"
    )


def test_a_gradient_is_no_saver() -> None:
    pair = field(1, "inner") + field(2, "save")
    library = field(2, field(2, field(2, pair)))
    file = saved_model(MAIN, (SAVING, RESTORING), SAVER)
    assert found(file) == []
    told = found(field(2, b"".join([*_content(file), library])))
    assert "SaveV2 in save" in told


def _content(file: bytes) -> list[bytes]:
    """Of the only meta graph."""
    return [file[start:end] for start, end in within(file, 0, len(file), 2)]


# What does not end


def test_names_that_come_from_many_names_are_followed_once() -> None:
    packs = [node("p0", "Pack", *["file_prefix"] * 10)]
    packs += [node(f"p{at}", "Pack", *[f"p{at - 1}:output:0"] * 10) for at in range(1, 19)]
    saving = function(
        "save",
        *packs,
        node("saved", "SaveV2", "p18:output:0", "c", "c", "x"),
        node("c", "Const"),
        arguments=("file_prefix", "x"),
    )
    assert found(saved_model(MAIN, (saving, RESTORING), SAVER)) == []


def test_a_long_chain_of_functions_is_followed_in_one_go() -> None:
    count = 20_000
    chain = [function(f"f_{count}", node("m", "MatMul"))]
    chain += [function(f"f_{at}", node("c", f"f_{at + 1}")) for at in range(count)]
    assert found(saved_model((node("y", "f_0"),), tuple(chain))) == []


def test_functions_that_unfold_without_measure_are_refused() -> None:
    def doubled(depth: int) -> bytes:
        inner = [
            function(f"f_{at}", node("a", f"f_{at + 1}"), node("b", f"f_{at + 1}"))
            for at in range(depth)
        ]
        return saved_model(
            (node("y", "f_0"),), (*inner, function(f"f_{depth}", node("m", "MatMul")))
        )

    assert found(doubled(11)) == []
    (fault,) = found(doubled(40))
    assert fault.startswith("functions that unfold to ")


LOOP = (
    function("body_1", node("m", "MatMul")),
    function("cond_1", node("m", "Less")),
    function("fills_1", node("loop", "fills_2")),
    function("fills_2", node("loop", "StatelessWhile")),
)


def resource_with(child: str, at: int) -> bytes:
    """The objects of a meta graph: one with a child, which is the function."""
    holder = field(1, number(1 << 3) + number(at) + field(2, child))
    objects = field(1, holder) + field(1, field(6, field(1, "fills_1")))
    return field(2, field(7, objects))


@pytest.mark.parametrize("child", ["_initialize", "_create_resource"])
def test_a_loop_of_an_initializer_is_refused(child: str) -> None:
    graph = saved_model((), LOOP)
    assert found(graph + resource_with("serve", 1)) == []
    content = b"".join([*_content(graph), *_content(resource_with(child, 1))])
    assert found(field(2, content)) == ["a loop while it is loaded"]


def test_a_child_that_is_not_there_is_refused() -> None:
    with pytest.raises(WireError, match="child that is not there"):
        found(resource_with("_initialize", 7))


@pytest.mark.parametrize("at", [4, 5])
def test_a_loop_of_the_first_operation_of_tensorflow_1_is_refused(at: int) -> None:
    nodes = (
        node("enter", "Enter"),
        node("next", "NextIteration", "again"),
        node("again", "Merge", "enter", "next"),
        node("init", "NoOp", "^again"),
    )
    (graph,) = _content(saved_model(nodes))
    assert found(field(2, graph)) == []
    key = {4: "saved_model_main_op", 5: "__saved_model_init_op"}[at]
    told = field(at, field(1, key) + field(2, field(1, field(1, "init"))))
    assert found(field(2, graph + told)) == ["a loop while it is loaded"]


# Arguments


@pytest.mark.parametrize(
    "argument",
    [
        field(1, "x") + field(1, "file_prefix"),
        b"",
        field(1, ""),
    ],
)
def test_an_argument_has_one_name(argument: bytes) -> None:
    """A parser keeps the last of several: the one that names the file is then another."""
    told = field(1, field(1, "f") + field(2, argument) + field(2, field(1, "y")))
    with pytest.raises(WireError, match="an argument of a function has no name, or several"):
        found(saved_model((), (told,)))


@pytest.mark.parametrize(("arguments", "name"), [(("x", "x"), "y"), (("x", "y"), "x")])
def test_arguments_and_nodes_have_names_of_their_own(arguments: tuple[str, ...], name: str) -> None:
    with pytest.raises(WireError, match="of one name"):
        found(saved_model((), (function("f", node(name, "Const"), arguments=arguments),)))


@pytest.mark.parametrize("name", ["N", "num_split"])
def test_absurdly_many_inputs_are_refused(name: str) -> None:
    """TensorFlow makes a place for each of them first."""

    def packs(count: int) -> bytes:
        value = field(2, number(3 << 3) + number(count))
        return node("p", "Pack", "x") + field(5, field(1, name) + value)

    assert found(saved_model((packs(1),))) == []
    for absurd in (2**31 - 1, 2**64 - 1):
        with pytest.raises(WireError, match="more than 100000 inputs or outputs"):
            found(saved_model((packs(absurd),)))


def test_every_count_of_a_listed_operator_is_known() -> None:
    op_def_registry = pytest.importorskip("tensorflow.python.framework.op_def_registry")
    allowed = harmless_operators()
    listed = allowed.plain | allowed.reviewed | allowed.saver
    made = (op_def_registry.get(name) for name in listed)
    assert {
        each.number_attr
        for op in made
        if op is not None
        for each in (*op.input_arg, *op.output_arg)
        if each.number_attr
    } <= COUNTS
