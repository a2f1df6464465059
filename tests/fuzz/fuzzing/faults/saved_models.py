"""SavedModels: the SavedModel message, its graph and functions, and the files beside it."""

from __future__ import annotations

import random
from typing import Any

from fuzzing.draft import Draft, Fault
from fuzzing.faults import protobufs
from fuzzing.faults.keras_configs import CANARY

_HARMLESS = (
    "Identity",
    "MatMul",
    "AddV2",
    "NoOp",
    "Placeholder",
    "Const",
    "ReadVariableOp",
    "VarHandleOp",
    "StatefulPartitionedCall",
    "PartitionedCall",
    "While",
    "StatelessWhile",
    "If",
    "Reshape",
    "Fill",
    "SaveV2",
    "RestoreV2",
    "MergeV2Checkpoints",
    "ShardedFilename",
    "Assert",
    "Print",
    "PyFunc",
    "EagerPyFunc",
    "ReadFile",
    "WriteFile",
    "MatchingFiles",
    "LookupTableExportV2",
    "PrintV2",
    "InitializeTableFromTextFileV2",
    "HashTableV2",
    "TensorArrayV3",
    "Nothing",
    "Save",
    "SaveSlices",
    "DebugIdentityV2",
    "SummaryWriter",
    "CreateSummaryFileWriter",
    "CacheDatasetV2",
)


def _bodies(model: Any) -> list[Any]:
    """Whatever holds nodes: the graph and the functions."""
    found = []
    for meta in model.meta_graphs:
        found.append(meta.graph_def.node)
        found += [each.node_def for each in meta.graph_def.library.function]
    return found


def operator(model: Any, draw: random.Random) -> None:
    """A node of another kind."""
    nodes = draw.choice([each for each in _bodies(model) if len(each)])
    draw.choice(list(nodes)).op = draw.choice(_HARMLESS)


def wired(model: Any, draw: random.Random) -> None:
    nodes = draw.choice([each for each in _bodies(model) if len(each)])
    node, other = draw.choice(list(nodes)), draw.choice(list(nodes))
    if node.input and draw.random() < 0.7:
        node.input[draw.randrange(len(node.input))] = draw.choice(
            (
                other.name,
                f"{other.name}:output:0",
                f"^{other.name}",
                "nowhere",
                "",
                ":0",
                f"{other.name}:7",
            )
        )
    else:
        node.input.append(f"^{other.name}")


def hostile(model: Any, draw: random.Random) -> None:
    """A node that writes the canary, which another node waits for."""
    nodes = draw.choice([each for each in _bodies(model) if len(each)])
    waiting = draw.choice(list(nodes))
    texts = {"file": CANARY.encode(), "text": b"x"}
    for name, text in texts.items():
        made = nodes.add()
        made.name, made.op = name, "Const"
        made.attr["dtype"].type = 7  # DT_STRING
        made.attr["value"].tensor.dtype = 7
        made.attr["value"].tensor.tensor_shape.SetInParent()
        made.attr["value"].tensor.string_val.append(text)
    in_function = draw.random() < 0.7
    written = nodes.add()
    written.name, written.op = (
        "writes",
        draw.choice(("WriteFile", "WriteFile", "Save", "WriteFile")),
    )
    written.input.extend([f"{name}:output:0" for name in texts] if in_function else list(texts))
    waiting.input.append("^writes")


def saver(model: Any, draw: random.Random) -> None:
    """Which functions save and restore."""
    chosen = draw.choice(list(model.meta_graphs)).saver_def
    field = draw.choice(("filename_tensor_name", "save_tensor_name", "restore_op_name"))
    names = [each.name for nodes in _bodies(model) for each in nodes]
    setattr(chosen, field, draw.choice((*names[:40], "", "nowhere:0")))


def objects(model: Any, draw: random.Random) -> None:
    """The graph of the objects that are made again from the file."""
    graph = draw.choice(list(model.meta_graphs)).object_graph_def
    protobufs.edited(graph, draw)


def library(model: Any, draw: random.Random) -> None:
    """A function that calls itself, or under another's name."""
    functions = draw.choice(list(model.meta_graphs)).graph_def.library.function
    chosen, other = draw.choice(list(functions)), draw.choice(list(functions))
    if draw.random() < 0.5:
        chosen.signature.name = other.signature.name
    else:
        for node in chosen.node_def:
            for key in sorted(node.attr):
                if node.attr[key].HasField("func"):
                    node.attr[key].func.name = chosen.signature.name


_FAULTS = (
    operator,
    operator,
    operator,
    wired,
    wired,
    hostile,
    hostile,
    hostile,
    saver,
    objects,
    objects,
    library,
    *[protobufs.edited] * 8,
)


def edited(draft: Draft, draw: random.Random) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    name = next(each for each in draft.plain if each.endswith("saved_model.pb"))
    model = saved_model_pb2.SavedModel.FromString(draft.read(name))
    draw.choice(_FAULTS)(model, draw)
    draft.files[name] = model.SerializeToString(deterministic=True)


def beside(draft: Draft, draw: random.Random) -> None:
    """Files that a SavedModel may have and that this one has not."""
    folder = draft.main
    name = draw.choice(
        (
            "assets/vocabulary.txt",
            "assets.extra/x",
            "keras_metadata.pb",
            "saved_model.pbtxt",
            "debug/x",
            "variables/variables.index",
            "variables/variables.data-00001-of-00002",
            "saved_model.cpb",
            "variables/checkpoint",
        )
    )
    draft.files[f"{folder}/{name}"] = draw.randbytes(draw.choice((0, 20, 2000)))


SAVED_MODEL: tuple[Fault, ...] = (*[edited] * 16, beside)
