"""Keras models and SavedModels in every form that users have, and in forms that are refused."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.runtime import RUNTIME
from pytest_edgegate.backends.litert.from_keras import TRANSFORM as TO_LITERT
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx.from_keras import TRANSFORM as TO_ONNX
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError, UnsupportedError
from pytest_edgegate.core.ports import SourceModel
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import CaseData, surroundings

Array = npt.NDArray[Any]


def recognised(given: object) -> SourceModel:
    found = READER.recognise(given, surroundings())
    assert found is not None
    return found


def reference(given: object, *inputs: Array) -> tuple[Array, ...]:
    with RUNTIME.open(recognised(given)) as runner:
        return runner.infer(inputs)


@pytest.fixture(scope="module")
def sequential_file(tmp_path_factory: pytest.TempPathFactory, sequential: Any) -> Path:
    path: Path = tmp_path_factory.mktemp("sequential") / "sequential.keras"
    with held_native_output():
        sequential.save(path)
    return path


FORMS = {
    "keras": "small",
    "h5": "small",
    "SavedModel": "small",
    "live": "small",
    "old h5": "small_tf_keras",
    "live tf-keras": "small_tf_keras",
    "live Sequential": "sequential",
    "Sequential file": "sequential",
}
"""By form: the fixture of the model that it has to answer like."""


@pytest.mark.parametrize("form", FORMS)
def test_it_answers_like_the_framework(
    request: pytest.FixtureRequest,
    models: dict[str, Any],
    sequential_file: Path,
    samples: Array,
    convert: Any,
    form: str,
) -> None:
    original = request.getfixturevalue(FORMS[form])
    given = {**models, "Sequential file": sequential_file}[form]
    expected = np.asarray(original(samples))
    [seen] = reference(given, samples)
    np.testing.assert_allclose(seen, expected, rtol=0, atol=1e-6)
    with XNNPACK.open(convert(given)) as runner:
        [exported] = runner.infer((samples,))
    np.testing.assert_allclose(exported, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", ["keras", "h5", "old h5", "SavedModel"])
def test_a_file_is_told_by_its_content_not_its_name(
    saved: dict[str, Path], tmp_path: Path, form: str
) -> None:
    path = saved[form]
    other = tmp_path / "weights.bin"
    other.symlink_to(path, target_is_directory=path.is_dir())
    assert recognised(other).node == recognised(path).node
    assert recognised(other).digest() == recognised(path).digest()
    assert recognised(path).node == ("savedmodel" if form == "SavedModel" else "keras", "float32")


def test_an_old_file_is_read_by_tf_keras_and_says_so(saved: dict[str, Path]) -> None:
    [note] = recognised(saved["old h5"]).load().notes
    assert note.startswith("old.h5 was read by tf-keras, because Keras 3 refuses it: ")
    assert recognised(saved["h5"]).load().notes == ()


def test_the_digest_is_that_of_the_bytes(saved: dict[str, Path], tmp_path: Path) -> None:
    before = recognised(saved["keras"]).digest()
    changed = tmp_path / "small.keras"
    changed.write_bytes(saved["keras"].read_bytes() + b"\0")
    assert recognised(changed).digest() != before


# Several inputs and outputs


def _two_by_two(keras: Any) -> Any:
    """Inputs and outputs of one shape each, in an order that is not their names'."""
    zeta, alpha = keras.Input((3,), name="zeta"), keras.Input((3,), name="alpha")
    difference = keras.layers.Subtract(name="zebra")([zeta, alpha])
    scaled = keras.layers.Rescaling(3.0, name="ant")(alpha)
    return keras.Model([zeta, alpha], [difference, scaled])


@pytest.fixture(scope="module")
def two_by_two(keras: Any) -> Any:
    return _two_by_two(keras)


@pytest.fixture(scope="module")
def named(keras: Any) -> Any:
    """The same with dicts on both sides."""
    inner = _two_by_two(keras)
    zeta, alpha = inner.inputs
    return keras.Model(
        {"zeta": zeta, "alpha": alpha}, dict(zip(("zebra", "ant"), inner.outputs, strict=True))
    )


ZETA = np.arange(12, dtype=np.float32).reshape(4, 3)
ALPHA = ZETA[::-1] ** 2
DIFFERENCE, SCALED = ZETA - ALPHA, ALPHA * 3


def _in_order(source: SourceModel) -> tuple[Array, ...]:
    return tuple({"zeta": ZETA, "alpha": ALPHA}[each.name] for each in source.load().inputs)


def test_inputs_and_outputs_stay_in_the_models_order(two_by_two: Any, convert: Any) -> None:
    source = recognised(two_by_two)
    assert [each.name for each in source.load().inputs] == ["zeta", "alpha"]
    for seen in (reference(two_by_two, ZETA, ALPHA), _by_litert(convert(two_by_two), ZETA, ALPHA)):
        np.testing.assert_allclose(seen[0], DIFFERENCE, atol=1e-4)
        np.testing.assert_allclose(seen[1], SCALED, atol=1e-4)


def test_dicts_on_both_sides(named: Any, convert: Any) -> None:
    source = recognised(named)
    outputs = reference(named, *_in_order(source))
    seen = dict(zip(source.load().outputs, outputs, strict=True))
    np.testing.assert_allclose(seen["zebra"], DIFFERENCE, atol=1e-4)
    np.testing.assert_allclose(seen["ant"], SCALED, atol=1e-4)
    converted = _by_litert(convert(named), *_in_order(source))
    for output, other in zip(outputs, converted, strict=True):
        np.testing.assert_allclose(output, other, atol=1e-4)


def _by_litert(path: Path, *inputs: Array) -> tuple[Array, ...]:
    with XNNPACK.open(path) as runner:
        return runner.infer(inputs)


def test_a_saved_model_of_several_inputs(two_by_two: Any, convert: Any, tmp_path: Path) -> None:
    with held_native_output():
        two_by_two.export(tmp_path / "exported", verbose=False)
    source = recognised(tmp_path / "exported")
    assert sorted(each.name for each in source.load().inputs) == ["alpha", "zeta"]
    for seen in (
        reference(tmp_path / "exported", *_in_order(source)),
        _by_litert(convert(tmp_path / "exported"), *_in_order(source)),
    ):
        np.testing.assert_allclose(seen[0], DIFFERENCE, atol=1e-4)
        np.testing.assert_allclose(seen[1], SCALED, atol=1e-4)


# What is refused


def refused(call: Callable[[], object], kind: type[EdgeGateError]) -> EdgeGateError:
    """The error of a call, which is ours, and ends with what to do."""
    with pytest.raises(kind) as raised:
        call()
    error: EdgeGateError = raised.value
    lines = str(error).splitlines()
    assert lines[0].startswith("edgegate error: ")
    assert lines[-1] == error.remedy.splitlines()[-1]
    assert error.remedy
    assert error.message
    return error


def test_a_dynamic_shape(keras: Any, convert: Any) -> None:
    image = keras.Input((None, None, 3), name="picture")
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    error = refused(lambda: convert(model), UnsupportedError)
    assert "'picture'" in error.message
    assert "dynamic shape" in error.message


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_an_unbuilt_model(request: pytest.FixtureRequest, family: str) -> None:
    framework = request.getfixturevalue(family)

    class Unbuilt(framework.Model):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x

    error = refused(recognised(Unbuilt()).load, UnsupportedError)
    assert "Unbuilt" in error.message
    error = refused(recognised(framework.Sequential([])).load, UnsupportedError)
    assert "Sequential" in error.message


def test_a_backend_that_does_not_know_a_step_says_so(host: Any) -> None:
    from pytest_edgegate.backends.litert.from_keras import TRANSFORM

    refusal = TRANSFORM.refuse(PTQ(50, method="entropy"), host)
    assert refusal is not None
    assert "entropy" in refusal[0]
    assert TRANSFORM.refuse(PTQ(50), host) is None


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_lambda_is_refused_before_it_runs(
    request: pytest.FixtureRequest, tmp_path: Path, family: str, suffix: str
) -> None:
    framework = request.getfixturevalue(family)
    trace = tmp_path / "it-ran"
    where = str(trace)

    def hostile(x: Any) -> Any:
        with open(where, "w") as opened:
            opened.write("code of a file")
        return x

    path = tmp_path / f"hostile{suffix}"
    with held_native_output():
        image = framework.Input((3,))
        model = framework.Model(image, framework.layers.Lambda(hostile)(image))
        model.save(path)
    trace.unlink()
    error = refused(lambda: recognised(path).load(), UnsupportedError)
    assert not trace.exists()
    assert "Lambda" in error.message
    assert "edge_allow_code = true" in error.remedy
    assert "edge_model" in error.remedy


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_that_the_user_trusts_is_loaded(keras: Any, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"trusted{suffix}"
    with held_native_output():
        image = keras.Input((3,))
        keras.Model(image, keras.layers.Lambda(lambda x: x * 2)(image)).save(path)
    found = READER.recognise(path, surroundings(allow_code=True))
    assert found is not None
    with RUNTIME.open(found) as runner:
        [doubled] = runner.infer((np.ones((2, 3), np.float32),))
    assert (doubled == 2).all()


def test_a_lambda_inside_a_nested_model(keras: Any, tmp_path: Path) -> None:
    image = keras.Input((3,))
    inner = keras.Model(image, keras.layers.Lambda(lambda x: x * 2)(image))
    outer = keras.Input((3,))
    with held_native_output():
        keras.Model(outer, inner(outer)).save(tmp_path / "nested.keras")
    refused(recognised(tmp_path / "nested.keras").load, UnsupportedError)


def _custom(framework: Any) -> Any:
    class Doubling(framework.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x * 2

    image = framework.Input((3,))
    return framework.Model(image, Doubling()(image))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_class_of_ones_own_is_refused_in_a_file_and_taken_alive(
    request: pytest.FixtureRequest, convert: Any, tmp_path: Path, family: str, suffix: str
) -> None:
    with held_native_output():
        model = _custom(request.getfixturevalue(family))
        model.save(tmp_path / f"custom{suffix}")
    path = tmp_path / f"custom{suffix}"
    error = refused(lambda: recognised(path).load(), EdgeGateError)
    assert "Doubling" in error.message
    assert "return the model object from edge_model" in error.remedy
    [seen] = reference(model, ZETA)
    np.testing.assert_array_equal(seen, ZETA * 2)
    [exported] = _by_litert(convert(model), ZETA)
    np.testing.assert_array_equal(exported, ZETA * 2)


@pytest.mark.parametrize("module", ["keras_evil", "keras.src.layers.evil", "tensorflow_evil.x"])
def test_a_module_is_not_keras_by_the_beginning_of_its_name(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """A file may name any module, and Keras imports what it names."""
    trace = tmp_path / "it-ran"
    package = tmp_path / "path" / module.split(".", maxsplit=1)[0]
    if module != "keras.src.layers.evil":
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
        monkeypatch.syspath_prepend(tmp_path / "path")
    image = keras.Input((3,))
    plain = tmp_path / "plain.keras"
    with held_native_output():
        keras.Model(image, keras.layers.ReLU(name="activation")(image)).save(plain)
    path = tmp_path / "hostile.keras"
    with zipfile.ZipFile(plain) as archive, zipfile.ZipFile(path, "w") as changed:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "config.json":
                config = json.loads(content)
                [layer] = [e for e in config["config"]["layers"] if e["class_name"] == "ReLU"]
                layer |= {"module": module, "class_name": "Evil", "registered_name": None}
                content = json.dumps(config).encode()
            changed.writestr(name, content)
    refused(lambda: recognised(path).load(), EdgeGateError)
    assert not trace.exists()


def test_weights_without_a_model(small: Any, tmp_path: Path) -> None:
    path = tmp_path / "small.weights.h5"
    with held_native_output():
        small.save_weights(path)
    error = refused(lambda: recognised(path).load(), ConfigurationError)
    assert "weights but no model" in error.message
    assert "model.save" in error.remedy


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("form", ["keras", "h5", "old h5"])
def test_a_file_cut_short(saved: dict[str, Path], tmp_path: Path, form: str, share: float) -> None:
    content = saved[form].read_bytes()
    path = tmp_path / saved[form].name
    path.write_bytes(content[: int(len(content) * share)])
    refused(lambda: recognised(path).load(), EdgeGateError)


@pytest.mark.parametrize("form", ["keras", "h5"])
def test_noise_in_the_middle_of_a_file(saved: dict[str, Path], tmp_path: Path, form: str) -> None:
    """Either it is refused by an error of ours, or it did no harm to what is read."""
    content = bytearray(saved[form].read_bytes())
    path = tmp_path / saved[form].name
    refusals: list[EdgeGateError] = []
    for start in range(16, len(content) - 200, len(content) // 6):
        damaged = content.copy()
        damaged[start : start + 200] = np.random.default_rng(start).bytes(200)
        path.write_bytes(damaged)
        try:
            recognised(path).load()
        except EdgeGateError as error:
            refusals.append(error)
    assert refusals
    assert all(each.remedy for each in refusals)


@pytest.mark.parametrize("lost", ["saved_model.pb", "variables/variables.index"])
def test_a_saved_model_with_a_damaged_part(
    saved: dict[str, Path], tmp_path: Path, lost: str
) -> None:
    for file in saved["SavedModel"].rglob("*"):
        if file.is_file():
            copy = tmp_path / file.relative_to(saved["SavedModel"])
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(b"damaged" if str(file).endswith(lost) else file.read_bytes())
    refused(lambda: recognised(tmp_path).load(), EdgeGateError)


def test_a_saved_model_without_a_signature(tf: Any, tmp_path: Path) -> None:
    with held_native_output():
        tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    error = refused(lambda: recognised(tmp_path / "bare").load(), UnsupportedError)
    assert "serving_default" in error.message


def test_a_saved_model_with_an_input_of_any_rank(tf: Any, tmp_path: Path) -> None:
    module = tf.Module()
    module.call = tf.function(
        lambda x: {"y": x + 1.0}, input_signature=[tf.TensorSpec(None, tf.float32, "image")]
    )
    with held_native_output():
        tf.saved_model.save(module, str(tmp_path), signatures=module.call)
    error = refused(lambda: recognised(tmp_path).load(), UnsupportedError)
    assert "how many axes its input image has" in error.message
    assert "tf.TensorSpec(" in error.remedy


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"local_name": "other"}, UnsupportedError),  # it has none
        ({"node_id": 0}, ConfigurationError),  # the module itself
        ({"node_id": 1}, ConfigurationError),  # its first child
    ],
)
def test_a_saved_model_whose_signatures_are_something_else(
    saved: dict[str, Path], tmp_path: Path, change: dict[str, Any], error: type[EdgeGateError]
) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    folder = shutil.copytree(saved["SavedModel"], tmp_path / "model")
    made = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (root, *_) = made.meta_graphs[0].object_graph_def.nodes
    for child in root.children:
        if child.local_name == "signatures":
            for name, value in change.items():
                setattr(child, name, value)
    (folder / "saved_model.pb").write_bytes(made.SerializeToString())
    refused(lambda: recognised(folder).load(), error)


def test_an_archive_that_is_no_keras_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing of a model")
    assert READER.recognise(path, surroundings()) is None
    assert READER.recognise(tmp_path, surroundings()) is None


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_state_is_the_first_one_for_every_sample(
    request: pytest.FixtureRequest, family: str
) -> None:
    keras = request.getfixturevalue(family)
    layers = keras.layers
    keras.utils.set_random_seed(0)
    row = keras.Input(batch_shape=(1, 5, 3))
    inner = layers.LSTM(4, stateful=True, name="memory")(row)
    model = keras.Model(row, layers.Dense(2)(inner))
    with RUNTIME.open(recognised(model)) as runner:
        [same] = runner.infer((np.ones((3, 5, 3), np.float32),))
        [again] = runner.infer((np.ones((1, 5, 3), np.float32),))
    np.testing.assert_array_equal(same, np.repeat(again, 3, 0))


@pytest.mark.parametrize("transform", [TO_LITERT, TO_ONNX])
def test_a_state_that_a_file_would_lose_is_refused(
    keras: Any, coral: Target, tmp_path: Path, transform: Any
) -> None:
    row = keras.Input(batch_shape=(1, 5, 3))
    model = keras.Model(row, keras.layers.GRU(4, stateful=True, name="memory")(row))
    with pytest.raises(UnsupportedError, match=r"keeps state between calls \(memory\)") as raised:
        transform.apply(recognised(model), None, coral, CaseData(EdgeData()), tmp_path)
    assert "stateful=False" in raised.value.remedy


def test_a_saved_model_with_several_signatures_names_the_one_that_is_read(
    tf: Any, tmp_path: Path
) -> None:
    module = tf.Module()
    module.double, module.halve = (
        tf.function(function, input_signature=[tf.TensorSpec((None, 3), name="x")])
        for function in (lambda x: {"y": x * 2}, lambda x: {"y": x / 2})
    )
    both = {"serving_default": module.double, "halve": module.halve}
    alone = {"halve": module.halve}
    for name, signatures in (("both", both), ("alone", alone)):
        tf.saved_model.save(module, str(tmp_path / name), signatures=signatures)
    loaded = recognised(tmp_path / "both").load()
    assert loaded.notes == (
        "both is read by its signature serving_default; it also has halve (x float32 [-1, 3])",
    )
    [made] = recognised(tmp_path / "alone").load().function(tf.ones((1, 3)))
    assert made.numpy().tolist() == [[0.5] * 3]
    assert recognised(tmp_path / "alone").load().notes == ()
