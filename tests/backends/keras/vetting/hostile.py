"""Makers of model files that do harm: each writes a canary when it is loaded or run.

A maker gets an empty folder and the path of the canary, and gives the path of the model. Those of
``READING`` write nothing: they would open a file that is not theirs, or never end.
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Maker = Callable[[Path, Path], Path]


def _keras() -> Any:
    import keras

    return keras


def _tf_keras() -> Any:
    import tf_keras

    return tf_keras


def _tf() -> Any:
    import tensorflow as tf

    return tf


# Configurations


def _input(module: str | None) -> dict[str, Any]:
    shape = "batch_shape" if module == "keras" else "batch_input_shape"
    told = {shape: [None, 3], "dtype": "float32", "name": "in"}
    layer = {"class_name": "InputLayer", "config": told, "name": "in", "inbound_nodes": []}
    return layer if module is None else {"module": "keras.layers", "registered_name": None, **layer}


def functional(*layers: dict[str, Any], module: str | None = None) -> dict[str, Any]:
    """The configuration of a model of these layers, in a row."""
    named = [_input(module), *layers]
    config = {
        "name": "model",
        "trainable": True,
        "layers": named,
        "input_layers": [["in", 0, 0]],
        "output_layers": [[named[-1]["name"], 0, 0]],
    }
    made = {"class_name": "Functional", "config": config}
    if module == "keras":
        made |= {"module": "keras.src.models.functional", "registered_name": "Functional"}
    if module == "tf_keras":
        made |= {"module": "tf_keras.src.engine.functional", "registered_name": "Functional"}
    return made


def layer(
    kind: str, config: dict[str, Any], node: list[Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A layer of an old configuration that takes the input, or what *node* says."""
    return {
        "class_name": kind,
        "config": {"name": "evil", **config},
        "name": "evil",
        "inbound_nodes": [node or ["in", 0, 0, {}]],
        **more,
    }


def writing(canary: Path) -> list[Any]:
    """The arguments of tf.io.write_file: constants, so that it runs while the model is built."""
    return ["_CONSTANT_VALUE", -1, str(canary), {"contents": "x"}]


def h5(folder: Path, config: Any, name: str = "model.h5") -> Path:
    path = folder / name
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["backend"] = "tensorflow"
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = np.array([b"in", b"evil"])
        for each in ("in", "evil"):
            weights.create_group(each).attrs["weight_names"] = np.array([], "S1")
    return path


def archive(folder: Path, config: Any, version: str = "3.15.1", **members: bytes) -> Path:
    path = folder / "model.keras"
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_group("layers")
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("metadata.json", json.dumps({"keras_version": version}))
        out.writestr("config.json", json.dumps(config))
        out.writestr("model.weights.h5", weights.getvalue())
        for name, content in members.items():
            out.writestr(name, content)
    return path


def _write(canary: Path) -> Callable[[Any], Any]:
    """A function for a Lambda layer, with the path in its code."""
    made: Callable[[Any], Any] = eval(f"lambda x: (open({str(canary)!r}, 'w').close(), x)[1]")
    return made


def h5_operation(folder: Path, canary: Path) -> Path:
    return h5(
        folder, functional(layer("TFOpLambda", {"function": "io.write_file"}, writing(canary)))
    )


def h5_slicing(folder: Path, canary: Path) -> Path:
    return h5(
        folder, functional(layer("SlicingOpLambda", {"function": "io.write_file"}, writing(canary)))
    )


def h5_operation_of_another_symbol(folder: Path, canary: Path) -> Path:
    return h5(
        folder,
        functional(
            layer("TFOpLambda", {"function": "io.gfile.makedirs"}, [*writing(canary)[:3], {}])
        ),
    )


def h5_class_method(folder: Path, canary: Path) -> Path:
    """To call a class is a method of it, too: a writer of records makes its file."""
    config = {"cls_symbol": "io.TFRecordWriter", "method_name": "__call__"}
    called = ["_CONSTANT_VALUE", -1, [str(canary)], {"kwargs": {}}]
    return h5(folder, functional(layer("ClassMethod", config, called)))


def h5_lambda_tf_keras(folder: Path, canary: Path) -> Path:
    keras = _tf_keras()
    image = keras.Input((3,))
    path = folder / "model.h5"
    keras.Model(image, keras.layers.Lambda(_write(canary))(image)).save(path)
    canary.unlink(missing_ok=True)
    return path


def h5_nested(folder: Path, canary: Path) -> Path:
    inner = functional(layer("TFOpLambda", {"function": "io.write_file"}, writing(canary)))
    return h5(folder, functional(layer("Functional", inner["config"])))


def h5_in_a_wrapper(folder: Path, canary: Path) -> Path:
    keras = _tf_keras()
    path = folder / "model.h5"
    steps = keras.Input((2, 3))
    keras.Model(
        steps, keras.layers.TimeDistributed(keras.layers.Lambda(_write(canary)))(steps)
    ).save(path)
    canary.unlink(missing_ok=True)
    return path


def h5_wrapper_of_a_cell(folder: Path, canary: Path) -> Path:
    """A cell that keeps the bytecode of a function, which is unmarshalled and run."""
    code = compile(f"lambda x, y: (open({str(canary)!r}, 'w').close(), y)[1]", "x", "eval")
    inner = next(each for each in code.co_consts if hasattr(each, "co_code"))
    wrapped = {
        "name": "wrapped",
        "cell": {"class_name": "SimpleRNNCell", "config": {"units": 3}},
        "residual_fn": [base64.b64encode(marshal.dumps(inner)).decode("ascii"), None, None],
        "residual_fn_type": "lambda",
        "residual_fn_module": None,
    }
    cell = {"class_name": "ResidualWrapper", "config": wrapped}
    made = functional(layer("RNN", {"cell": cell}))
    made["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 4, 3]
    return h5(folder, made)


def keras_lambda(folder: Path, canary: Path) -> Path:
    keras = _keras()
    image = keras.Input((3,))
    path = folder / "model.keras"
    keras.Model(image, keras.layers.Lambda(_write(canary), output_shape=(3,))(image)).save(path)
    canary.unlink(missing_ok=True)
    return path


def keras_saved_model_layer(folder: Path, canary: Path) -> Path:
    """A layer that loads a SavedModel from beside the file."""
    inner = writes_when_loaded(folder / "inner", canary)
    keras = _keras()
    image = keras.Input((3,))
    path = folder / "model.keras"
    keras.Model(image, keras.layers.TFSMLayer(str(inner), "serving_default")(image)).save(path)
    canary.unlink(missing_ok=True)
    return path


class _Evil:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return exec, (f"open({str(self.canary)!r}, 'w').close()",)


def keras_pickle_layer(folder: Path, canary: Path) -> Path:
    """A layer whose configuration holds a pickle."""
    module = base64.b64encode(pickle.dumps(_Evil(canary))).decode("ascii")
    inner = {
        "module": "keras.layers",
        "class_name": "TorchModuleWrapper",
        "registered_name": None,
        "config": {"name": "evil", "module": module},
        "name": "evil",
        "inbound_nodes": [{"args": [_tensor()], "kwargs": {}}],
    }
    return archive(folder, functional(inner, module="keras"))


def _tensor() -> dict[str, Any]:
    history = {"shape": [None, 3], "dtype": "float32", "keras_history": ["in", 0, 0]}
    return {"class_name": "__keras_tensor__", "config": history}


def old_keras_operation(folder: Path, canary: Path) -> Path:
    inner = layer(
        "TFOpLambda",
        {"function": "io.write_file"},
        writing(canary),
        module="tf_keras.src.layers.core.tf_op_layer",
        registered_name="TFOpLambda",
    )
    return archive(folder, functional(inner, module="tf_keras"), version="2.21.0")


def old_keras_module(folder: Path, canary: Path) -> Path:
    """Any module is imported to look a class up: here one that lies beside the model."""
    name = f"evil_{canary.parent.parent.name}"
    (folder / f"{name}.py").write_text(f"open({str(canary)!r}, 'w').close()\n")
    root = {"class_name": "Evil", "config": {}, "module": name, "registered_name": "Evil"}
    return archive(folder, root, version="2.21.0")


def old_keras_data_of_a_module(folder: Path, canary: Path) -> Path:
    """What another Keras takes for data, tf-keras looks up in the module that it names."""
    function = {
        "class_name": "__tuple__",
        "module": "tensorflow.python.framework.graph_io",
        "registered_name": "write_graph",
        "config": {"x": 1},
    }
    lambda_layer = {
        "class_name": "__tuple__",
        "module": "tf_keras.src.layers.core.lambda_layer",
        "registered_name": "Lambda",
        "config": {
            "name": "lambda",
            "function": function,
            "function_type": "function",
            "module": None,
            "dtype": "string",
            "output_shape": None,
            "output_shape_type": "raw",
            "arguments": {"logdir": str(canary), "name": "graph"},
        },
    }
    keras = _tf_keras()
    words = keras.Input((1,), dtype="string")
    text = keras.layers.TextVectorization(vocabulary=["a"], output_sequence_length=4)(words)
    path = folder / "healthy.keras"
    keras.Model(words, text).save(path)
    with zipfile.ZipFile(path) as source:
        members = {name: source.read(name) for name in source.namelist()}
    config = json.loads(members["config.json"])
    for each in config["config"]["layers"]:
        if each["class_name"] == "TextVectorization":
            each["config"]["standardize"] = lambda_layer
    with zipfile.ZipFile(folder / "model.keras", "w") as out:
        for name, content in members.items():
            out.writestr(name, json.dumps(config) if name == "config.json" else content)
    return folder / "model.keras"


def old_keras_lambda(folder: Path, canary: Path) -> Path:
    keras = _tf_keras()
    image = keras.Input((3,))
    path = folder / "model.keras"
    keras.Model(image, keras.layers.Lambda(_write(canary))(image)).save(path)
    canary.unlink(missing_ok=True)
    return path


KERAS: dict[str, Maker] = {
    "h5: TFOpLambda": h5_operation,
    "h5: SlicingOpLambda": h5_slicing,
    "h5: TFOpLambda of another symbol": h5_operation_of_another_symbol,
    "h5: ClassMethod": h5_class_method,
    "h5: Lambda of tf-keras": h5_lambda_tf_keras,
    "h5: in a nested model": h5_nested,
    "h5: in a wrapper": h5_in_a_wrapper,
    "h5: the wrapper of a cell": h5_wrapper_of_a_cell,
    "keras: Lambda": keras_lambda,
    "keras: TFSMLayer": keras_saved_model_layer,
    "keras: TorchModuleWrapper": keras_pickle_layer,
    "keras of tf-keras: TFOpLambda": old_keras_operation,
    "keras of tf-keras: a module": old_keras_module,
    "keras of tf-keras: data of a module": old_keras_data_of_a_module,
    "keras of tf-keras: Lambda": old_keras_lambda,
}


# SavedModels


def _saved(folder: Path, call: Callable[[Any], Any], **attributes: Any) -> Path:
    tf = _tf()
    module = tf.Module()
    for name, each in attributes.items():
        setattr(module, name, each)
    module.weight = tf.Variable([1.0, 2.0, 3.0])
    module.serve = tf.function(
        lambda x: {"y": call(x * module.weight)},
        input_signature=[tf.TensorSpec([None, 3], tf.float32, "x")],
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder


def writes_when_run(folder: Path, canary: Path) -> Path:
    tf = _tf()

    def call(x: Any) -> Any:
        with tf.control_dependencies([tf.raw_ops.WriteFile(filename=str(canary), contents="x")]):
            return tf.identity(x)

    return _saved(folder, call)


def writes_in_a_function(folder: Path, canary: Path) -> Path:
    tf = _tf()

    @tf.function
    def inner(x: Any) -> Any:
        with tf.control_dependencies([tf.raw_ops.WriteFile(filename=str(canary), contents="x")]):
            return tf.identity(x)

    return _saved(folder, inner)


def writes_in_a_loop(folder: Path, canary: Path) -> Path:
    tf = _tf()

    def body(at: Any, x: Any) -> Any:
        with tf.control_dependencies([tf.raw_ops.WriteFile(filename=str(canary), contents="x")]):
            return at + 1, tf.identity(x)

    return _saved(folder, lambda x: tf.while_loop(lambda at, x: at < 2, body, [0, x])[1])


def writes_when_loaded(folder: Path, canary: Path) -> Path:
    """A resource's initializer runs before anything is called."""
    tf = _tf()
    from tensorflow.python.trackable import resource

    class Evil(resource.TrackableResource):
        def _create_resource(self) -> Any:
            return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="evil")

        def _initialize(self) -> Any:
            tf.raw_ops.WriteFile(filename=str(canary), contents="x")

    evil = Evil()
    canary.unlink(missing_ok=True)
    made = _saved(folder, lambda x: x, evil=evil, table=_table(tf))
    canary.unlink(missing_ok=True)
    return made


def _table(tf: Any) -> Any:
    """Keeps the module one with resources."""
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), 0)


def prints_to_a_file(folder: Path, canary: Path) -> Path:
    tf = _tf()

    def call(x: Any) -> Any:
        printed = tf.raw_ops.PrintV2(input=tf.constant("x"), output_stream=f"file://{canary}")
        with tf.control_dependencies([printed]):
            return tf.identity(x)

    return _saved(folder, call)


def saves_elsewhere(folder: Path, canary: Path) -> Path:
    """SaveV2 outside of the saver."""
    tf = _tf()

    def call(x: Any) -> Any:
        saved = tf.raw_ops.SaveV2(
            prefix=str(canary), tensor_names=["t"], shape_and_slices=[""], tensors=[x]
        )
        with tf.control_dependencies([saved]):
            return tf.identity(x)

    return _saved(folder, call)


def saver_under_the_name_of_an_operator(folder: Path, canary: Path) -> Path:
    """TensorFlow calls the function for every node of that kind, here in an initializer."""
    tf = _tf()
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.trackable import resource

    class Evil(resource.TrackableResource):
        def _create_resource(self) -> Any:
            return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="evil")

        def _initialize(self) -> Any:
            tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=1.0)

    path = _saved(folder, lambda x: x, evil=Evil()) / "saved_model.pb"
    made = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    graph = made.meta_graphs[0].graph_def
    functions = graph.library.function
    saving = next(each for each in functions if "traced_save" in each.signature.name)
    for node in graph.node:
        if node.attr["f"].func.name == saving.signature.name:
            node.attr["f"].func.name = "Softsign"
    saving.signature.name = "Softsign"
    initial, assigned = next(
        (each, node)
        for each in functions
        for node in each.node_def
        if node.op == "AssignVariableOp" and "restore" not in each.signature.name
    )
    evil = initial.node_def.add(name="evil", op="Softsign")
    for at, argument in enumerate(saving.signature.input_arg):
        if argument.type == tf.resource.as_datatype_enum:
            evil.input.append(assigned.input[0])
            continue
        text = initial.node_def.add(name=f"text{at}", op="Const")
        text.attr["dtype"].type = tf.string.as_datatype_enum
        value = tf.make_tensor_proto("" if at else str(canary))
        text.attr["value"].tensor.CopyFrom(value)
        evil.input.append(f"text{at}:output:0")
    evil.input.append(f"^{assigned.name}")
    initial.control_ret["evil"] = "evil"
    initial.signature.control_output.append("evil")
    path.write_bytes(made.SerializeToString())
    return folder


def of_tf1_when_loaded(folder: Path, canary: Path) -> Path:
    """The main operation of a SavedModel of TensorFlow 1 runs while it is loaded."""
    tf = _tf().compat.v1
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 3], "x")
        weight = tf.get_variable("w", initializer=[1.0, 2.0, 3.0])
        evil = tf.write_file(str(canary), "x")
        session.run(tf.global_variables_initializer())
        _save_v1(tf, session, folder, x, x * weight, main_op=evil)
    canary.unlink(missing_ok=True)
    return folder


def of_tf1_by_its_saver(folder: Path, canary: Path) -> Path:
    """The main operation waits for what saves, whose file's name has a default."""
    tf = _tf().compat.v1
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 3], "x")
        weight = tf.get_variable("w", initializer=[1.0, 2.0, 3.0])
        saver = tf.train.Saver(filename=str(canary))
        saves = session.graph.get_operation_by_name("save/control_dependency")
        with tf.control_dependencies([saves]):
            evil = tf.no_op("evil")
        session.run(tf.global_variables_initializer())
        _save_v1(tf, session, folder, x, x * weight, main_op=evil, saver=saver)
    for each in canary.parent.glob(f"{canary.name}*"):
        each.unlink()
    return folder


def _save_v1(tf: Any, session: Any, folder: Path, x: Any, y: Any, **more: Any) -> None:
    builder = tf.saved_model.builder.SavedModelBuilder(str(folder))
    signature = tf.saved_model.signature_def_utils.predict_signature_def({"x": x}, {"y": y})
    builder.add_meta_graph_and_variables(
        session, ["serve"], signature_def_map={"serving_default": signature}, **more
    )
    builder.save()


SAVED_MODELS: dict[str, Maker] = {
    "SavedModel: in its signature": writes_when_run,
    "SavedModel: in a function": writes_in_a_function,
    "SavedModel: in a loop": writes_in_a_loop,
    "SavedModel: while it is loaded": writes_when_loaded,
    "SavedModel: prints to a file": prints_to_a_file,
    "SavedModel: saves elsewhere": saves_elsewhere,
    "SavedModel: its saver as an operator": saver_under_the_name_of_an_operator,
    "SavedModel of TensorFlow 1: while it is loaded": of_tf1_when_loaded,
    "SavedModel of TensorFlow 1: by its saver": of_tf1_by_its_saver,
}
