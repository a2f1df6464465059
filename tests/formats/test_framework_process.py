"""Live models: their graphs are converted in the framework process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import CompressionError, EdgeGateWarning, UnsupportedError
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.frameworks.process import FrameworkProcess
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

DATA = EdgeData(calibration=np.random.default_rng(0).random((20, 8, 8, 1), np.float32))
ROWS = EdgeData(evaluation=(np.random.default_rng(0).random((20, 4), np.float32), np.zeros(20)))
KERAS = "pytest_edgegate.backends.keras.traced:READER"
TORCH = "pytest_edgegate.backends.torch.traced:READER"

Made = tuple[Artifact, EdgeSession]


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


def network(keras: Any, **convolution: Any) -> Any:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, **convolution)(image)
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x)), name="net")


def module(torch: Any, forward: Callable[..., Any] | None = None, name: str = "Rows") -> Any:
    """A linear layer, and what *forward* does with its output."""

    def whole(self: Any, x: Any) -> Any:
        made = self.layer(x)
        return made if forward is None else forward(made)

    torch.manual_seed(0)
    made = type(name, (torch.nn.Module,), {"forward": whole})()
    made.layer = torch.nn.Linear(4, 4)
    return made.eval()


def started(folder: Path) -> EdgeSession:
    return EdgeSession(Settings(root=folder, cache=folder), Registry())


def compressed(
    folder: Path,
    model: Any,
    data: EdgeData = DATA,
    target: str = "coral",
    recipe: tuple[Step, ...] = (PTQ(),),
) -> Made:
    session = started(folder)
    case = session.case(Given(model, data), session.target(target))
    return session.compress(case, recipe), session


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The readers of the models that were sent to the process."""
    found: list[str] = []
    apply = FrameworkProcess.apply

    def noted(self: FrameworkProcess, work: Any, out: Path) -> Any:
        found.append(work.source.reader)
        return apply(self, work, out)

    monkeypatch.setattr(FrameworkProcess, "apply", noted)
    return found


def same_there_and_here(
    make: Callable[[Path], Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, session = make(tmp_path / "there")
    session.close()
    monkeypatch.setattr(FrameworkProcess, "source", lambda *given: None)
    here, _ = make(tmp_path / "here")
    assert here.sha256 == there.sha256


@pytest.mark.parametrize(
    ("target", "recipe"), [("coral", (PTQ(),)), ("onnx-cpu", ()), ("openvino-cpu", ())]
)
def test_a_keras_model_has_the_same_bytes_there(
    keras: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sent: list[str],
    target: str,
    recipe: tuple[Step, ...],
) -> None:
    model = network(keras)
    same_there_and_here(
        lambda folder: compressed(folder, model, DATA, target, recipe), tmp_path, monkeypatch
    )
    assert sent == [KERAS]


def test_a_torch_module_has_the_same_bytes_there(
    torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: list[str]
) -> None:
    model = module(torch)
    same_there_and_here(
        lambda folder: compressed(folder, model, ROWS, "onnx-cpu", ()), tmp_path, monkeypatch
    )
    assert sent == [TORCH]


@pytest.mark.parametrize("target", ["raspberry-pi", "onnx-cpu"])
def test_messages_from_there_name_the_layer(
    torch: Any, tmp_path: Path, sent: list[str], target: str
) -> None:
    model = torch.nn.Sequential(module(torch), module(torch, torch.special.bessel_j0)).eval()
    with pytest.raises(UnsupportedError, match=r"bessel_j0.*\bin .*\b1\b"):
        compressed(tmp_path, model, ROWS, target, ())
    assert sent == [TORCH]


def test_notes_from_there_are_warnings_here(torch: Any, tmp_path: Path, sent: list[str]) -> None:
    model = module(torch, lambda made: made.reshape(1, 4))
    with pytest.warns(EdgeGateWarning, match="its batch can't be free"):
        artifact, session = compressed(tmp_path, model, ROWS, "onnx-cpu", ())
    session.close()
    assert sent == [TORCH]
    assert any("its batch can't be free" in each for each in artifact.provenance["notes"])


def test_a_module_with_an_operator_of_its_own_stays_here(
    torch: Any, tmp_path: Path, sent: list[str]
) -> None:
    """As a conftest.py registers one: no other process has it."""
    library = torch.library.Library("edgegate_formats", "FRAGMENT")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: x * 2, "CompositeImplicitAutograd")
    model = module(torch, torch.ops.edgegate_formats.twice)
    assert compressed(tmp_path, model, ROWS, "onnx-cpu", ())[0].size_bytes
    assert not sent


def test_a_module_that_cannot_be_saved_stays_here(
    torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: list[str]
) -> None:
    def fail(*given: Any) -> None:
        raise RuntimeError("no serializer for it")

    monkeypatch.setattr(torch.export, "save", fail)
    assert compressed(tmp_path, module(torch), ROWS, "onnx-cpu", ())[0].size_bytes
    assert not sent


def test_a_graph_of_free_sizes_stays_here_and_has_them_of_the_samples(
    keras: Any, tmp_path: Path, sent: list[str]
) -> None:
    image = keras.Input((None, None, 1))
    model = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    assert compressed(tmp_path, model)[0].size_bytes
    with pytest.raises(UnsupportedError, match="dynamic shape"):
        compressed(tmp_path, model, target="raspberry-pi", recipe=())
    assert not sent


def test_changed_weights_are_another_graph(keras: Any, tmp_path: Path) -> None:
    model = network(keras)
    one, session = compressed(tmp_path, model)
    model.set_weights([each * 2 for each in model.get_weights()])
    other = session.compress(session.case(Given(model, DATA), session.target("coral")), (PTQ(),))
    session.close()
    assert one.sha256 != other.sha256


def test_changed_weights_are_another_program(torch: Any, tmp_path: Path, sent: list[str]) -> None:
    model = module(torch)
    one, session = compressed(tmp_path, model, ROWS, "onnx-cpu", ())
    with torch.no_grad():
        model.layer.weight *= 2
    other = session.compress(session.case(Given(model, ROWS), session.target("onnx-cpu")), ())
    session.close()
    assert one.sha256 != other.sha256
    assert sent == [TORCH, TORCH]


STEPS = np.random.default_rng(0).normal(size=(240, 3, 3)).astype(np.float32)
HELD_OUT = STEPS[200:]
SEQUENCES = EdgeData(calibration=STEPS[:200], evaluation=(HELD_OUT, np.arange(40) % 4))


def recurrent(framework: Any) -> Any:
    framework.utils.set_random_seed(0)
    layers = framework.layers
    given = framework.Input((3, 3), name="x")
    both = layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="all"))
    last = layers.Dense(4)(layers.GRU(4, name="last")(both(given)))
    return framework.Model(given, last, name="net")


@pytest.mark.parametrize(("family", "form"), [("keras", "live"), ("tf_keras", ".h5")])
def test_a_recurrent_model_is_unrolled_for_int8(family: str, form: str, tmp_path: Path) -> None:
    """A live model is written down in both forms; a file is unrolled in the framework process,
    which also runs it as the reference."""
    model = recurrent(pytest.importorskip(family))
    given: Any = model
    if form != "live":
        given = tmp_path / f"net{form}"
        with held_native_output():
            model.save(given)
    exact = model.predict(HELD_OUT, verbose=0)
    session = started(tmp_path / "cache")
    case = session.case(Given(given, SEQUENCES), session.target("raspberry-pi"))
    told_of_tf_keras = pytest.warns(EdgeGateWarning, match="was read by tf-keras")
    with nullcontext() if form == "live" else told_of_tf_keras:
        artifact = session.compress(case, (PTQ(200),))
    contract, sqnr = session.judge(case, artifact, (Budget("sqnr_db", 20),), contract=True)
    session.close()
    assert not contract.red, contract.details
    assert not sqnr.red, sqnr.reason
    with XNNPACK.open(artifact.main) as runner:
        [found] = runner.infer((HELD_OUT,))
    assert 10 * np.log10((exact**2).sum() / ((exact - found) ** 2).sum()) > 20
    ((step, facts),) = artifact.provenance["facts"].items()
    told = facts["unrolled"]
    assert sorted(told["layers"]) == ["backward_all", "forward_all", "last"]
    assert told["time_steps"] == 9
    assert told["bytes"] == artifact.size_bytes
    assert told["operators"] == len(INSPECTOR.describe(artifact.main).operators)
    assert f"{told['operators']:,} operators and " in contract.note
    assert contract.record.artifact is not None
    assert contract.record.artifact.steps[step]["unrolled"] == told


def test_a_saved_model_with_a_loop_is_an_error_of_the_test(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    with held_native_output():
        recurrent(keras).export(tmp_path / "exported", verbose=False)
    session = started(tmp_path / "cache")
    case = session.case(Given(tmp_path / "exported", SEQUENCES), session.target("raspberry-pi"))
    with pytest.raises(UnsupportedError, match="exported has loops") as raised:
        session.compress(case, (PTQ(20),))
    assert "give the model that it was exported from" in raised.value.remedy
    with pytest.raises(UnsupportedError, match="its loops keep tensors of a free shape") as raised:
        session.compress(case, ())
    assert "give the model that it was exported from" in raised.value.remedy
    session.close()


UNGUARDED = """
from pytest_edgegate.backends.litert import from_keras

from_keras._refuse_loops = lambda *given: None
from_keras._without_loops = lambda loaded, step: None
TRANSFORM = from_keras.TRANSFORM
"""
ABORTING = """
import os

from pytest_edgegate.backends.{} import {} as backend


class Aborting(type(backend.TRANSFORM)):
    def apply(self, model, *given):
        model.load()
        if model.name == "crash":
            os.abort()
        return super().apply(model, *given)


TRANSFORM = Aborting()
"""


@pytest.fixture
def replace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Has the process import another module for a transform."""

    def put(transform: str, content: str) -> None:
        own = f"replaced_{transform.replace('.', '_')}"
        (tmp_path / f"{own}.py").write_text(content)
        monkeypatch.syspath_prepend(tmp_path)
        entry = Registry.entry

        def replaced(self: Registry, kind: str, name: str) -> str | None:
            is_it = (kind, name) == ("transform", transform)
            return f"{own}:TRANSFORM" if is_it else entry(self, kind, name)

        monkeypatch.setattr(Registry, "entry", replaced)

    return put


def test_a_crash_of_tensorflows_calibrator_is_an_error(
    keras: Any, tmp_path: Path, replace: Callable[[str, str], None]
) -> None:
    """A loop is what it dies of, where nothing unrolls or refuses it before."""
    replace("litert.from_keras", UNGUARDED)
    steps = keras.Input((8, 8))
    looped = keras.Model(steps, keras.layers.LSTM(4)(steps), name="looped")
    data = EdgeData(calibration=np.zeros((20, 8, 8), np.float32))
    with pytest.raises(CompressionError, match=r"looped ended the process that ran it \(SIG"):
        compressed(tmp_path, looped, data)
    assert compressed(tmp_path, network(keras))[0].size_bytes


def of_torch(name: str) -> Any:
    return module(pytest.importorskip("torch"), name=name)


def of_keras(name: str) -> Any:
    keras = pytest.importorskip("keras")
    rows = keras.Input((4,))
    return keras.Model(rows, keras.layers.Dense(3)(rows), name=name)


@pytest.mark.parametrize(
    ("make", "transform", "target"),
    [
        (of_torch, "onnx.from_torch", "onnx-cpu"),
        (of_keras, "onnx.from_keras", "onnx-cpu"),
    ],
)
def test_a_crash_of_a_conversion_is_an_error(
    tmp_path: Path,
    replace: Callable[[str, str], None],
    make: Callable[[str], Any],
    transform: str,
    target: str,
) -> None:
    replace(transform, ABORTING.format(*transform.split(".")))
    with pytest.raises(CompressionError, match=r"crash ended the process that ran it \(SIGABRT"):
        compressed(tmp_path, make("crash"), ROWS, target, ())
    assert compressed(tmp_path, make("fine"), ROWS, target, ())[0].size_bytes
