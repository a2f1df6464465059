"""What a Keras file may name: layers, functions, words, symbols and data, wherever they stand."""

from __future__ import annotations

import io
import os
import runpy
import struct
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.vetting import files, trial
from pytest_edgegate.backends.keras.vetting.configs import faults
from pytest_edgegate.backends.keras.vetting.files import vet_archive, vet_hdf5
from pytest_edgegate.backends.keras.vetting.lists import names
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.reading.archives import Limits
from pytest_edgegate.testing.contract import surroundings

hostile: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("hostile.py")))
functional, layer = hostile["functional"], hostile["layer"]
archive, h5 = hostile["archive"], hostile["h5"]


def found(*layers: Any, loader: str = "tf_keras") -> list[str]:
    return list(faults(functional(*layers), names(loader)))


def dense(**config: Any) -> Any:
    return layer("Dense", config)


MODERN = {"module": "keras.layers", "registered_name": None}


@pytest.mark.parametrize(
    "config",
    [
        {"activation": "relu"},
        {
            "activation": {
                "module": "builtins",
                "class_name": "function",
                "config": "relu",
                "registered_name": "function",
            }
        },
        {"kernel_initializer": "glorot_uniform"},
        {"kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}}},
        {
            "kernel_regularizer": {
                "module": "keras.regularizers",
                "class_name": "L2",
                "config": {"l2": 0.1},
                "registered_name": None,
            }
        },
        {
            "kernel_initializer": {
                "module": "tensorflow.python.ops.init_ops_v2",
                "class_name": "Constant",
                "config": {"value": 1.0},
                "registered_name": "Constant",
            }
        },
        {"axis": {"class_name": "__tuple__", "items": [1, 2]}},
        {"vocabulary": ["a", "b"]},
    ],
)
def test_what_keras_itself_writes_passes(config: Any) -> None:
    assert found(dense(**config)) == []


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"activation": "serialize"}, "activation serialize"),
        ({"recurrent_activation": "eval"}, "recurrent_activation eval"),
        ({"kernel_initializer": "deserialize"}, "kernel_initializer deserialize"),
        (
            {"activation": {"class_name": "function", "module": "builtins", "config": "exec"}},
            "the function exec",
        ),
        (
            {"activation": {"class_name": "function", "module": "os", "config": "system"}},
            "the function os.system",
        ),
        (
            {
                "activation": {
                    "class_name": "function",
                    "module": "keras.utils",
                    "config": "get_file",
                }
            },
            "the function keras.utils.get_file",
        ),
        ({"activation": {"class_name": "function", "config": ["relu"]}}, "the function ['relu']"),
        ({"activation": {"class_name": "__lambda__", "config": {"value": "x"}}}, "__lambda__"),
        ({"x": {"class_name": "Popen", "module": "subprocess", "config": {}}}, "subprocess.Popen"),
        ({"x": [{"y": {"class_name": "Lambda", "config": {}}}]}, "Lambda"),
        ({"x": {"class_name": 3}}, "a class by no name (3)"),
        ({"x": {"class_name": "Dense", "module": 3}}, "a class by no name (Dense)"),
        (
            {"x": {"class_name": "TFSMLayer", "module": "keras.layers", "config": {}}},
            "keras.layers.TFSMLayer",
        ),
        (
            {
                "x": {
                    "class_name": "Dense",
                    "module": "keras.layers",
                    "registered_name": "Evil>Dense",
                }
            },
            "Dense registered as Evil>Dense",
        ),
        ({"x": {"class_name": "TypeSpec", "type_spec": "x"}}, "TypeSpec"),
        ({"x": {"class_name": "CompositeTensor", "spec": "x"}}, "CompositeTensor"),
        ({"x": {"class_name": "__tuple__", "module": "os", "items": []}}, "__tuple__ of os"),
        (
            {"x": {"class_name": "TensorShape", "registered_name": "X", "items": []}},
            "TensorShape of X",
        ),
        (
            {"x": {"class_name": "__keras_tensor__", "module": "os", "config": {}}},
            "__keras_tensor__ of os",
        ),
        (
            {"filepath": {"class_name": "__bytes__", "value": "x"}},
            "a file (filepath: {'class_name': '__bytes__', 'value': 'x'})",
        ),
        ({"residual_fn": ["x"]}, "code (residual_fn)"),
        ({"residual_fn_type": "lambda"}, "code (residual_fn_type)"),
        ({"x": [{"_TYPE": "COMPOSITE"}, "{}"]}, "objects in a text (COMPOSITE)"),
        ({"vocabulary": "/etc/passwd"}, "a file (vocabulary: /etc/passwd)"),
        ({"filepath": "/etc/passwd"}, "a file (filepath: /etc/passwd)"),
    ],
)
def test_what_is_not_on_the_list_is_named(config: Any, named: str) -> None:
    assert found(dense(**config)) == [named]
    assert named in found(dense(**config), loader="keras")


@pytest.mark.parametrize(
    "kind",
    [
        "Lambda",
        "TFOpLambda",
        "SlicingOpLambda",
        "ClassMethod",
        "InstanceMethod",
        "InstanceProperty",
        "TensorFlowOpLayer",
        "TFSMLayer",
        "TorchModuleWrapper",
        "JaxLayer",
        "FlaxLayer",
        "DenseFeatures",
        "Own",
        "ResidualWrapper",
        "DropoutWrapper",
        "ReloadedLayer",
        "ModuleWrapper",
    ],
)
def test_layers_that_run_code_are_refused_by_both(kind: str) -> None:
    for loader in ("keras", "tf_keras"):
        [one] = found(layer(kind, {}), loader=loader)
        assert one.startswith(kind)
        [full] = found({**layer(kind, {}), **MODERN}, loader=loader)
        assert kind in full


@pytest.mark.parametrize("symbol", ["math.multiply", "__operators__.add", "nn.relu6", "reshape"])
def test_arithmetic_of_old_files_passes_by_its_symbol(symbol: str) -> None:
    node = ["in", 0, 0, {"y": 0.5, "name": None}]
    assert found(layer("TFOpLambda", {"function": symbol}, node)) == []
    getitem = {"function": "__operators__.getitem"}
    cut = {"slice_spec": [{"start": None, "stop": 3, "step": None}]}
    assert found(layer("SlicingOpLambda", getitem, ["in", 0, 0, cut])) == []


@pytest.mark.parametrize(
    "symbol",
    [
        "io.write_file",
        "io.read_file",
        "load_op_library",
        "load_library",
        "py_function",
        "numpy_function",
        "saved_model.load",
        "map_fn",
        "vectorized_map",
        "keras.models.load_model",
        "io.gfile.copy",
        "print",
        "io.decode_proto",
        "function",
        None,
        ["math.add"],
        {},
    ],
)
def test_other_symbols_are_refused(symbol: Any) -> None:
    for kind in ("TFOpLambda", "SlicingOpLambda"):
        [named] = found(layer(kind, {"function": symbol}))
        assert named.startswith(f"{kind} of tf.")


def test_an_operation_takes_nothing_but_its_symbol() -> None:
    evil = layer("TFOpLambda", {"function": "math.add", "autocast": False})
    assert found(evil) == ["TFOpLambda with autocast"]


def test_arguments_are_data() -> None:
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [1], "keras_history": []}}
    assert found(dense(), {**dense(), "inbound_nodes": [{"args": [tensor], "kwargs": {}}]}) == []
    evil = {"class_name": "Dense", "module": "keras.layers", "config": {}}
    as_argument = {**dense(), "inbound_nodes": [{"args": [{"x": [evil]}], "kwargs": {}}]}
    assert found(as_argument) == ["Dense as the argument of a layer"]


def test_operations_of_keras_3_pass_by_their_class() -> None:
    add = {**layer("Add", {"name": "add"}), "module": "keras.src.ops.numpy"}
    assert found(add, loader="keras") == []
    loop = {**layer("WhileLoop", {"cond": "x"}), "module": "keras.src.ops.core"}
    assert found(loop, loader="keras") == ["keras.src.ops.core.WhileLoop"]
    assert found(add, loader="tf_keras") == ["keras.src.ops.numpy.Add"]


@pytest.mark.parametrize("root", [[], "x", 3, None, {}, {"class_name": 3}, {"config": {}}])
def test_a_file_without_a_class_at_its_root_is_refused(root: Any, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="no class at its root"):
        vet_hdf5(h5(tmp_path, root))
    with pytest.raises(UnsupportedError, match="no class at its root"):
        vet_archive(archive(tmp_path, root))


def test_what_compiles_a_model_is_not_loaded_and_not_looked_at(tmp_path: Path) -> None:
    config = functional(layer("Dense", {"units": 2}), module="tf_keras")
    config["compile_config"] = {"loss": {"class_name": "function", "config": "my_own_loss"}}
    assert vet_archive(archive(tmp_path, config, version="2.15.0")).loaders == ("tf_keras",)


# Which loader sees a file


def test_a_loader_sees_only_what_its_own_list_has(tmp_path: Path) -> None:
    plain = vet_hdf5(h5(tmp_path, functional(layer("Dense", {"units": 2}))))
    assert (plain.loaders, plain.note) == (("keras", "tf_keras"), "")
    old = functional(layer("TFOpLambda", {"function": "math.add"}, ["in", 0, 0, {"y": 1.0}]))
    vetted = vet_hdf5(h5(tmp_path, old))
    assert vetted.loaders == ("tf_keras",)
    assert vetted.note == "it names TFOpLambda of tf.math.add"


def test_an_archive_of_tf_keras_is_not_shown_to_keras_3(tmp_path: Path) -> None:
    inner = functional(layer("Dense", {"units": 2}), module="tf_keras")
    assert vet_archive(archive(tmp_path, inner, version="2.21.0")).loaders == ("tf_keras",)
    with pytest.raises(UnsupportedError, match=r"keras\.src\.engine"):
        vet_archive(archive(tmp_path, {**inner, "module": "keras.src.engine.x"}, version="3.0.0"))


# HDF5


def weights(tmp_path: Path, change: Any) -> Path:
    path: Path = h5(tmp_path, functional(layer("Dense", {"units": 2})))
    with h5py.File(path, "a") as file:
        change(file)
    return path


def _external(file: Any) -> None:
    file["model_weights/evil/kernel"] = h5py.ExternalLink("/etc/passwd", "/x")


def _soft(file: Any) -> None:
    file["model_weights/evil/kernel"] = h5py.SoftLink("/elsewhere")


def _beside(file: Any) -> None:
    file.create_dataset("model_weights/evil/kernel", (10,), "u1", external=[("/etc/passwd", 0, 10)])


def _virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((10,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (10,))
    file.create_virtual_dataset("model_weights/evil/kernel", layout)


def _declared(file: Any) -> None:
    file.create_dataset("model_weights/evil/kernel", (10**12,), "f4", chunks=(1024,))


def _inflated(file: Any) -> None:
    zeros = file.create_dataset(
        "model_weights/evil/kernel",
        (500_000_000,),
        "u1",
        chunks=(50_000_000,),
        compression="gzip",
        compression_opts=9,
    )
    zeros[:50_000_000] = 0


def _repeated(file: Any) -> None:
    """Many texts that are one piece of the file, as soon as ``_all_alike`` has been over it."""
    texts = ["x" * 1_000_000, *map(str, range(499))]
    file["model_weights"].attrs.create("layer_names", texts, dtype=h5py.string_dtype())


def _all_alike(path: Path) -> None:
    """Lets every text of an attribute be the first one: length, heap and place of each are 16
    bytes in a row."""
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<I", 1_000_000))
    while content[at + 16 : at + 20] != struct.pack("<I", 1):
        at = content.index(struct.pack("<I", 1_000_000), at + 1)
    content[at : at + 16 * 500] = content[at : at + 16] * 500
    path.write_bytes(content)


def test_texts_that_come_to_more_than_the_file_has_are_refused(tmp_path: Path) -> None:
    path = weights(tmp_path, _repeated)
    vet_hdf5(path).confirm()
    _all_alike(path)
    with pytest.raises(UnsupportedError, match="texts of 500"):
        vet_hdf5(path).confirm()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_external, "a link out of its place (model_weights/evil/kernel)"),
        (_soft, "a link out of its place (model_weights/evil/kernel)"),
        (_beside, "a dataset in another file (model_weights/evil/kernel)"),
        (_virtual, "a virtual dataset (model_weights/evil/kernel)"),
        (_declared, "datasets of 4000000000000 bytes"),
        (_inflated, "datasets of 500000000 bytes"),
    ],
)
def test_an_hdf5_file_that_reaches_out_is_refused(tmp_path: Path, change: Any, named: str) -> None:
    path = weights(tmp_path, change)
    with pytest.raises(UnsupportedError) as raised:
        vet_hdf5(path).confirm()
    assert named in raised.value.message
    config = functional(layer("Dense", {"units": 2}), module="keras")
    config["config"]["layers"][1] |= MODERN
    inside = archive(tmp_path, config, **{"assets/x.h5": path.read_bytes()})
    with pytest.raises(UnsupportedError) as raised:
        vet_archive(inside).confirm()
    assert named in raised.value.message


def test_a_healthy_hdf5_file_passes(tmp_path: Path) -> None:
    def change(file: Any) -> None:
        file["model_weights/evil/kernel"] = np.ones((30, 20), "f4")

    assert vet_hdf5(weights(tmp_path, change)).loaders == ("keras", "tf_keras")


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 5000, "null", '{"a": ' * 300 + "1" + "}" * 300, b"\xff\xfe"]
)
def test_a_configuration_that_is_no_json_is_an_error_of_ours(tmp_path: Path, text: Any) -> None:
    path = weights(tmp_path, lambda file: file.attrs.modify("model_config", text))
    with pytest.raises((ConfigurationError, UnsupportedError)) as raised:
        vet_hdf5(path)
    assert "model.h5" in raised.value.message


# HDF5 in a process of its own


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("import os; os.kill(os.getpid(), 11)", "ended the process that read it (SIGSEGV)"),
        ("import os; os._exit(7)", "ended the process that read it (exit status 7)"),
        ("import signal; signal.raise_signal(signal.SIGALRM)", "was still reading it after 10 s"),
        ("raise ValueError('no file')", "ValueError: no file"),
        ("raise MemoryError", "there is not enough memory for it"),
    ],
)
def test_what_ends_the_reader_is_an_error_of_ours_and_the_next_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, told: str
) -> None:
    """The stand-in for a native fault is in the process that reads."""
    path = h5(tmp_path, functional(layer("Dense", {"units": 2})))
    fault = f"def _looked(path):\n    {says}"
    with monkeypatch.context() as patched:
        patched.setattr(trial, "_reader", cache(trial._Reader))
        patched.setattr(
            trial,
            "_MAIN",
            f"import pytest_edgegate.backends.keras.vetting.trial as t\nexec({fault!r}, vars(t))\n"
            "t.main()",
        )
        for _ in range(2):
            with pytest.raises(ConfigurationError) as raised:
                vet_hdf5(path)
            assert told in raised.value.message
    assert vet_hdf5(path).loaders == ("keras", "tf_keras")


def test_an_answer_that_nobody_took_is_not_the_next_files(tmp_path: Path) -> None:
    first = trial.Trial(h5(tmp_path, {"class_name": "first"}, "first.h5"))
    second = trial.Trial(h5(tmp_path, {"class_name": "second"}, "second.h5"))
    assert "second" in str(second.found().config)
    assert "first" in str(first.found().config)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX forks")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
def test_a_fork_leaves_the_reader_to_its_parent(tmp_path: Path) -> None:
    path = h5(tmp_path, functional(layer("Dense", {"units": 2})))
    vet_hdf5(path)
    process = trial._reader()._running()
    child = os.fork()
    if child == 0:
        vet_hdf5(path)  # by a reader of its own
        os._exit(0 if trial._reader()._running().pid != process.pid else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert process.alive
    assert vet_hdf5(path).loaders


# Two files in one


def test_a_file_is_loaded_as_what_was_looked_at(tmp_path: Path) -> None:
    """An archive behind HDF5: Keras goes by the name, and would read the archive."""
    canary = tmp_path / "canary"
    healthy = (h5(tmp_path, functional(layer("Dense", {"units": 2})))).read_bytes()
    evil = hostile["old_keras_operation"](tmp_path, canary).read_bytes()
    both = tmp_path / "both.keras"
    both.write_bytes(healthy + evil)
    assert zipfile.is_zipfile(both)
    found = READER.recognise(both, surroundings())
    assert found is not None
    with pytest.raises(ConfigurationError):
        found.load()  # the healthy part has no weights
    assert not canary.exists()


def test_hdf5_inside_of_an_archive_is_not_read_as_one(tmp_path: Path) -> None:
    """HDF5 is looked for at 512, 1024, 2048 ... bytes: a name in .h5 would lead there."""
    canary = tmp_path / "canary"
    plain = hostile["h5_slicing"](tmp_path, canary)
    moved_path = tmp_path / "moved.h5"
    with h5py.File(moved_path, "w", userblock_size=2048) as moved, h5py.File(plain) as original:
        for name, value in original.attrs.items():
            moved.attrs[name] = value
        original.copy("model_weights", moved)
    healthy = functional(layer("Dense", {"units": 2}), module="tf_keras")
    source = zipfile.ZipFile(archive(tmp_path, healthy, version="2.21.0"))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        filler = 2048 - 30 - len("pad")
        out.writestr("pad", b"\0" * filler + moved_path.read_bytes()[2048:])
        for name in source.namelist():
            out.writestr(name, source.read(name))
    both = tmp_path / "both.h5"
    both.write_bytes(made.getvalue())
    with h5py.File(both) as file:
        assert "SlicingOpLambda" in file.attrs["model_config"]
    found = READER.recognise(both, surroundings())
    assert found is not None
    with pytest.raises(ConfigurationError):
        found.load()
    assert not canary.exists()


# The lists


@pytest.mark.parametrize("loader", ["keras", "tf_keras"])
def test_no_list_has_what_runs_code(loader: str) -> None:
    made = runpy.run_path(str(Path(__file__).with_name("make_lists.py")))
    ends = {each.rsplit(".", 1)[1] for each in names(loader).objects} | names(loader).bare
    assert not ends & made["REFUSED_LAYERS"]
    assert not ends & made["REFUSED_OPERATIONS"]


def test_an_archive_that_inflates_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path, functional())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as out:
        out.writestr("assets/zeros", bytes(1_000_000))
    READER.recognise(path, surroundings())
    monkeypatch.setattr(files, "_LIMITS", Limits(free_bytes=100_000))
    with pytest.raises(ConfigurationError, match="unpacks to 1000000 bytes"):
        READER.recognise(path, surroundings())
