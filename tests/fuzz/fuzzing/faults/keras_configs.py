"""Configurations of Keras models: layers of other kinds, and code that would write a file."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

from fuzzing.draft import BytesFault, Fault, to_main
from fuzzing.faults import archives, documents, hdf5

CANARY = "canary"
"""What hostile code writes, into the folder that the process runs in."""
_LAYERS = (
    "Dense",
    "Conv2D",
    "LSTM",
    "GRU",
    "RNN",
    "Bidirectional",
    "TimeDistributed",
    "Wrapper",
    "Layer",
    "InputLayer",
    "Functional",
    "Sequential",
    "Model",
    "Embedding",
    "Reshape",
    "Permute",
    "Rescaling",
    "Normalization",
    "TextVectorization",
    "StringLookup",
    "IntegerLookup",
    "Hashing",
    "Discretization",
    "MultiHeadAttention",
    "EinsumDense",
    "TFSMLayer",
    "TorchModuleWrapper",
    "JaxLayer",
    "FlaxLayer",
    "Pipeline",
    "FeatureSpace",
    "RandomFlip",
    "Lambda",
    "Masking",
    "Concatenate",
    "Add",
    "Dot",
    "StackedRNNCells",
    "LSTMCell",
    "ConvLSTM2D",
    "SpectralNormalization",
    "CategoryEncoding",
    "Nothing",
)
_MODULES = (
    "keras.layers",
    "keras",
    "keras.src.layers",
    "builtins",
    "os",
    "subprocess",
    "tf_keras.layers",
    "tensorflow",
    "keras.utils",
    "keras.saving",
    "keras.src.saving.saving_lib",
    None,
    7,
    "",
    "canary",
)
_TRUSTED = (
    "keras.utils.get_file",
    "keras>save",
    "tf.io.write_file",
    "io.write_file",
    "open",
    "exec",
    "linear",
    "softmax",
    "keras.activations.relu",
    CANARY,
)
_MARKED = ("__tuple__", "__tensor__", "__numpy__", "__lambda__", "__typespec__", "function")
_LOOKUPS = ("TextVectorization", "StringLookup", "IntegerLookup", "IndexLookup")
_WRITERS = (
    "io.write_file",
    "io.gfile.GFile",
    "raw_ops.WriteFile",
    "saved_model.save",
    "py_function",
)


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    """Everything that is a class with its configuration."""
    if isinstance(document, dict):
        if "class_name" in document:
            yield document
        for value in document.values():
            yield from _objects(value)
    elif isinstance(document, list):
        for value in document:
            yield from _objects(value)


def _layers(document: Any) -> list[dict[str, Any]]:
    return [each for each in _objects(document) if isinstance(each.get("config"), dict)]


def another_class(document: Any, draw: random.Random) -> None:
    draw.choice(_layers(document))["class_name"] = draw.choice(_LAYERS)


def another_module(document: Any, draw: random.Random) -> None:
    """Of a layer, or of any other object: an initialiser, a policy, a tuple."""
    chosen = draw.choice(draw.choice((_layers(document), list(_objects(document)))))
    chosen["module"] = draw.choice(_MODULES)
    if draw.random() < 0.5:
        chosen["registered_name"] = draw.choice((*_LAYERS, *_TRUSTED, None))


def object_of(document: Any, draw: random.Random) -> None:
    """What Keras takes for an object wherever it stands, and builds before it looks at it."""
    dictionaries = [
        node[key] for node, key in documents.places(document) if isinstance(node[key], dict)
    ]
    chosen = draw.choice(dictionaries)
    chosen["class_name"] = draw.choice((*_LAYERS, *_TRUSTED, *_MARKED))
    chosen["module"] = draw.choice(_MODULES)
    chosen.setdefault("config", {})
    if draw.random() < 0.5:
        chosen["registered_name"] = draw.choice((*_LAYERS, *_TRUSTED, None))


def vocabulary(document: Any, draw: random.Random) -> None:
    """A lookup of words or numbers, which may come from a file of the machine it is loaded on."""
    chosen = draw.choice(_layers(document))
    if chosen["class_name"] not in _LOOKUPS:
        chosen["class_name"] = draw.choice(_LOOKUPS)
    chosen["config"]["vocabulary"] = draw.choice(
        (
            "/etc/hostname",
            "../vocabulary.txt",
            CANARY,
            ["a", "b"],
            [1, 2],
            [],
            {"class_name": "__tuple__", "items": ["/etc/hostname"]},
            None,
        )
    )
    chosen["config"]["vocabulary_size"] = draw.choice((None, 3, 10**9))


def named_function(document: Any, draw: random.Random) -> None:
    """A name where an activation, an initialiser or a function of TensorFlow is expected."""
    places = [
        (node, key)
        for node, key in documents.places(document)
        if key in ("activation", "function", "kernel_initializer", "class_name", "module", "dtype")
    ]
    node, key = draw.choice(places)
    node[key] = draw.choice(
        (
            draw.choice(_TRUSTED),
            draw.choice(_WRITERS),
            {
                "class_name": "function",
                "module": "builtins",
                "config": "open",
                "registered_name": "open",
            },
            {
                "class_name": "__lambda__",
                "config": {"value": _code(), "defaults": None, "closure": None},
            },
            {"class_name": "DTypePolicy", "config": {"name": "float8"}, "module": "keras"},
            {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}, "module": "keras"},
        )
    )


def hostile(document: Any, draw: random.Random) -> None:
    """A layer that would write the canary."""
    chosen = draw.choice(_layers(document)[1:])
    name = str(chosen.get("name") or chosen["config"].get("name", "x"))
    function = draw.choice(_WRITERS)
    kind = draw.choice(
        (
            "Lambda",
            "SlicingOpLambda",
            "TFOpLambda",
            "ClassMethod",
            "InstanceMethod",
            "TensorFlowOpLayer",
            "TFSMLayer",
            "function",
        )
    )
    config: dict[str, Any] = {"name": name, "trainable": True, "dtype": "float32"}
    if kind == "Lambda":
        config |= {
            "function": draw.choice(
                (
                    [_code(), None, None],
                    {
                        "class_name": "__lambda__",
                        "config": {"value": _code(), "defaults": None, "closure": None},
                    },
                    {
                        "class_name": "function",
                        "module": "os",
                        "config": "system",
                        "registered_name": "system",
                    },
                )
            ),
            "function_type": "lambda",
            "module": "builtins",
            "arguments": {},
        }
    elif kind == "TFSMLayer":
        config |= {"filepath": "../exported", "call_endpoint": "serve"}
    elif kind == "TensorFlowOpLayer":
        config |= {
            "node_def": {"op": "WriteFile", "name": "w", "input": ["a", "b"]},
            "constants": {"0": CANARY, "1": "x"},
        }
    elif kind == "function":
        chosen |= {"class_name": "function", "config": "open", "module": "builtins"}
        return
    else:
        config |= {
            "function": function,
            "cls_ref": "io.gfile.GFile",
            "cls_symbol": "io.gfile.GFile",
            "method_name": "write",
            "method": "write",
        }
        arguments = draw.choice(
            (
                [CANARY, 0, 0, {"contents": "x"}],
                ["image", 0, 0, {"filename": CANARY, "contents": "x"}],
                ["_CONSTANT_VALUE", -1, CANARY, {"contents": "x"}],
            )
        )
        chosen["inbound_nodes"] = [draw.choice((arguments, [arguments]))]
    chosen["class_name"], chosen["config"] = kind, config
    if draw.random() < 0.5:
        chosen["module"] = draw.choice(_MODULES)


def nested(document: Any, draw: random.Random) -> None:
    """A model inside itself."""
    chosen = draw.choice(_layers(document))
    inner = copy.deepcopy(document)
    for _ in range(draw.choice((1, 3, 20))):
        inner = {"class_name": "Sequential", "config": {"name": "s", "layers": [inner]}}
    chosen.clear()
    chosen.update(inner)


def wiring(document: Any, draw: random.Random) -> None:
    """Which layer takes what."""
    nodes = [
        (node, key)
        for node, key in documents.places(document)
        if key in ("inbound_nodes", "input_layers", "output_layers", "keras_history")
    ]
    node, key = draw.choice(nodes)
    other, at = draw.choice(nodes)
    node[key] = draw.choice((copy.deepcopy(other[at]), [], [["nowhere", 0, 0]], None, 7))


def sizes(document: Any, draw: random.Random) -> None:
    """Layers that are far too large."""
    keys = (
        "units",
        "filters",
        "batch_shape",
        "batch_input_shape",
        "input_dim",
        "kernel_size",
        "strides",
        "build_config",
        "target_shape",
        "rate",
        "axis",
    )
    node, key = draw.choice([each for each in documents.places(document) if each[1] in keys])
    node[key] = draw.choice(
        (
            10**6,
            2**31,
            -1,
            0,
            [None, 10**6, 10**6, 64],
            [None],
            [],
            [None, None, None, None],
            [0, 0],
            [10**9, 6, 6, 2],
            "x",
            [None, 6, 6, 2.5],
        )
    )


def _code() -> str:
    """A marshalled function that writes the canary, as Keras writes one."""
    import base64
    import marshal

    made = compile(f"lambda x: (open({CANARY!r}, 'w'), x)[1]", "<lambda>", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(made)).decode()


_CONFIG: tuple[documents.DocumentFault, ...] = (
    *documents.DOCUMENT,
    another_class,
    another_class,
    another_class,
    another_module,
    object_of,
    object_of,
    vocabulary,
    named_function,
    named_function,
    hostile,
    hostile,
    hostile,
    nested,
    wiring,
    wiring,
    sizes,
    sizes,
)


def config_text(content: bytes, draw: random.Random) -> bytes:
    return documents.edited(content, draw, _CONFIG)


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def _is_weights(name: str) -> bool:
    return name.endswith(".h5")


def in_h5(content: bytes, draw: random.Random) -> bytes:
    return hdf5._edited(
        content, draw, (lambda opened, drawn: hdf5.config(opened, drawn, config_text),)
    )


_IN_ARCHIVE: tuple[BytesFault, ...] = (
    *[archives.with_member(_is_json, config_text)] * 8,
    *[archives.with_member(_is_weights, hdf5.edited_weights)] * 4,
    *archives.ARCHIVE,
)

KERAS: tuple[Fault, ...] = tuple(map(to_main, (*_IN_ARCHIVE, *_IN_ARCHIVE, archives.bomb)))
H5: tuple[Fault, ...] = tuple(map(to_main, (*[in_h5] * 8, *[hdf5.edited] * 8)))
