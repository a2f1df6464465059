"""Live modules: what they take and give, and that nothing is left behind in them or in torch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

from pytest_edgegate.backends.litert.torch_layers import written_state
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch.runtime import RUNTIME
from pytest_edgegate.core.errors import ConfigurationError, InferenceError, UnsupportedError

RNG = np.random.default_rng(2)
X = RNG.normal(size=(6, 4)).astype(np.float32)
Y = RNG.normal(size=(6, 4)).astype(np.float32)


class Pair(NamedTuple):
    first: Any
    second: Any


@pytest.fixture(scope="session")
def of(torch: ModuleType) -> Callable[..., Any]:
    """A module with a function as its forward."""

    def make(forward: Callable[..., Any], **parts: Any) -> Any:
        kind = type("Made", (torch.nn.Module,), {"forward": forward})
        module = kind()
        for name, part in parts.items():
            setattr(module, name, part)
        return module

    return make


def run(recognise: Any, module: Any, x: Any) -> dict[str, np.ndarray]:
    """All outputs by name, for arrays given as the user would."""
    with RUNTIME.open(recognise(module, x)) as runner:
        names = [each.name for each in runner.inputs]
        arrays = (
            tuple(x[name] for name in names)
            if isinstance(x, dict) and len(x) > 1
            else (tuple(x.values()) if isinstance(x, dict) else x if isinstance(x, tuple) else (x,))
        )
        outputs = [each.name for each in runner.outputs]
        return dict(zip(outputs, runner.infer(arrays), strict=True))


SIGNATURES: dict[str, tuple[Callable[..., Any], Any]] = {
    "one": (lambda self, x: x * 2, X),
    "one by another name": (lambda self, x: x * 2, {"picture": X}),
    "two by place": (lambda self, x, y: x * 2 + y * 0, (X, Y)),
    "two by name, in another order": (lambda self, x, y: x * 2 + y * 0, {"y": Y, "x": X}),
    "a default left alone": (lambda self, x, scale=2.0: x * scale, X),
    "a default between": (lambda self, x, a=2.0, y=None: x * a + y * 0, {"x": X, "y": Y}),
    "by word only": (lambda self, *, x: x * 2, X),
    "by place and by word": (lambda self, x, *, y: x * 2 + y * 0, (X, Y)),
    "by place only": (lambda self, x, y, /: x * 2 + y * 0, {"x": X, "y": Y}),
    "any number": (lambda self, *all_of_them: all_of_them[0] * 2 + all_of_them[1] * 0, (X, Y)),
    "any words": (lambda self, **words: words["x"] * 2 + words["y"] * 0, {"x": X, "y": Y}),
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_every_way_to_write_forward(recognise: Any, of: Any, kind: str) -> None:
    forward, x = SIGNATURES[kind]
    np.testing.assert_array_equal(run(recognise, of(forward), x)["output"], X * 2)


def test_data_under_a_name_that_forward_does_not_take(recognise: Any, of: Any) -> None:
    model = recognise(of(lambda self, x, y: x + y), {"x": X, "z": Y})
    with pytest.raises(ConfigurationError, match=r"input 'z'.* its parameters are x, y"):
        model.load()


def test_data_that_does_not_fit(torch: ModuleType, recognise: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"can't take the samples .*\(4,\)"):
        recognise(torch.nn.Linear(3, 2), X).load()


OUTPUTS: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "a tensor": (lambda self, x: x, ["output"]),
    "a tuple": (lambda self, x: (x, x + 1), ["output_0", "output_1"]),
    "a list of one": (lambda self, x: [x], ["output"]),
    "a dict": (lambda self, x: {"b": x, "a": x + 1}, ["b", "a"]),
    "a named tuple": (lambda self, x: Pair(x, x + 1), ["first", "second"]),
    "nested": (lambda self, x: {"a": (x, x + 1), "b": [x + 2]}, ["a_0", "a_1", "b_0"]),
    "the name of the input": (lambda self, x: {"x": x + 0}, ["x_out"]),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_outputs_by_name(recognise: Any, of: Any, kind: str) -> None:
    forward, names = OUTPUTS[kind]
    made = run(recognise, of(forward), X)
    assert list(made) == names
    for at, array in enumerate(made.values()):
        np.testing.assert_array_equal(array, X + np.float32(at))


@pytest.mark.parametrize("other", [None, 1.5, "text"])
def test_outputs_that_are_no_tensors(recognise: Any, of: Any, other: Any) -> None:
    with pytest.raises(UnsupportedError, match=f"gives a {type(other).__name__}") as raised:
        recognise(of(lambda self, x: (x, other)), X).load()
    assert "tensors only" in raised.value.remedy


def test_an_output_that_is_not_one_for_each_sample(recognise: Any, of: Any) -> None:
    with (
        RUNTIME.open(recognise(of(lambda self, x: x.sum()), X)) as runner,
        pytest.raises(InferenceError, match="not one result for each"),
    ):
        runner.infer((X,))


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "float32"])
def test_weights_of_every_float(torch: ModuleType, recognise: Any, dtype: str) -> None:
    torch.manual_seed(0)
    module = torch.nn.Linear(4, 3).to(getattr(torch, dtype))
    made = run(recognise, module, X)["output"]
    with torch.no_grad():
        expected = module(torch.from_numpy(X.copy()).to(getattr(torch, dtype))).float().numpy()
    np.testing.assert_array_equal(made, expected)
    assert made.dtype == np.float32
    assert recognise(module, X).load().inputs[0].dtype == dtype


@pytest.mark.parametrize("dtype", ["uint8", "int64", "int32", "bool"])
def test_inputs_of_integers(torch: ModuleType, recognise: Any, of: Any, dtype: str) -> None:
    x = np.arange(12).reshape(6, 2).astype(dtype)
    module = of(lambda self, x: x.float() * 2)
    assert recognise(module, x).load().inputs[0].dtype == dtype
    np.testing.assert_array_equal(run(recognise, module, x)["output"], x.astype(np.float32) * 2)


def test_data_of_double_precision_for_single_weights(torch: ModuleType, recognise: Any) -> None:
    assert run(recognise, torch.nn.Linear(4, 3), X.astype(np.float64))["output"].shape == (6, 3)


def test_values_that_are_not_finite_are_values(recognise: Any, of: Any) -> None:
    made = run(recognise, of(lambda self, x: x / (x - x)), X)["output"]
    assert np.isinf(made).all()


@pytest.mark.parametrize("way", ["in its place", "replaced", "loose"])
def test_every_sample_finds_the_state_as_it_was(
    torch: ModuleType, recognise: Any, of: Any, way: str
) -> None:
    def forward(self: Any, x: Any) -> Any:
        if way == "replaced":
            self.seen = self.seen + 1
        else:
            self.seen += 1
        return x + self.seen

    module = of(forward)
    module.register_buffer("seen", torch.zeros(1), persistent=way != "loose")
    state = module.seen
    np.testing.assert_array_equal(run(recognise, module, X)["output"], X + 1)
    np.testing.assert_array_equal(run(recognise, module, X)["output"], X + 1)
    assert module.seen is state
    assert state.item() == 0


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_layers(torch: ModuleType, recognise: Any, of: Any, kind: str) -> None:
    torch.manual_seed(0)
    layer = getattr(torch.nn, kind)(3, 5, batch_first=True)
    module = of(lambda self, x: self.layer(x)[0][:, -1], layer=layer)
    x = RNG.normal(size=(6, 7, 3)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(run(recognise, module, x)["output"], expected, atol=1e-6)


def test_one_sample_at_a_time(torch: ModuleType, recognise: Any, of: Any) -> None:
    torch.manual_seed(0)
    module = of(lambda self, x: self.layer(x.reshape(1, 4)), layer=torch.nn.Linear(4, 2))
    loaded = recognise(module, X).load()
    assert loaded.inputs[0].shape == (1, 4)
    with torch.no_grad():
        expected = module.layer(torch.from_numpy(X.copy())).numpy()
    np.testing.assert_allclose(run(recognise, module, X)["output"], expected, atol=1e-6)


def test_one_sample_at_a_time_that_does_not_say_so(recognise: Any, of: Any) -> None:
    """A batch of two goes through, and gives one result."""
    made = run(recognise, of(lambda self, x: x.reshape(1, -1)), X)["output"]
    np.testing.assert_array_equal(made, X)


def test_dropout_and_batch_statistics_sleep(torch: ModuleType, recognise: Any) -> None:
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.9)).train()
    module[0].running_mean += 1
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    made = run(recognise, module, X)["output"]
    np.testing.assert_allclose(made, (X - 1) / np.sqrt(1 + 1e-5), rtol=1e-5)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_the_modes_are_put_back_part_by_part(torch: ModuleType, recognise: Any, of: Any) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout()).train()
    module[0].eval()
    modes = [part.training for part in module.modules()]
    run(recognise, module, X)
    assert [part.training for part in module.modules()] == modes

    broken = of(lambda self, x: x if x.sum() > 0 else -x, layer=module)
    modes = [part.training for part in broken.modules()]
    with pytest.raises(UnsupportedError):
        recognise(broken, X).load()
    assert [part.training for part in broken.modules()] == modes


def test_a_branch_on_values(recognise: Any, of: Any) -> None:
    with pytest.raises(UnsupportedError, match="torch can't export Made") as raised:
        recognise(of(lambda self, x: x if x.sum() > 0 else -x), X).load()
    assert "no branch on the values" in raised.value.remedy


def scaled_by_its_sign(self: Any, x: Any) -> Any:
    return x * self.scale if x.sum() > 0 else -x


def test_a_module_that_can_not_be_exported_runs_as_a_reference(
    torch: ModuleType, recognise: Any, of: Any
) -> None:
    module = of(scaled_by_its_sign, scale=torch.nn.Parameter(torch.full((4,), 3.0)))
    [made] = run(recognise, module, X).values()
    signs = X.sum(axis=1, keepdims=True) > 0
    assert 0 < signs.sum() < len(X)
    np.testing.assert_array_equal(made, np.where(signs, X * 3, -X))


def test_several_inputs_and_outputs_of_what_can_not_be_exported(recognise: Any, of: Any) -> None:
    module = of(lambda self, x, y: {"a": x if x.sum() > 0 else y, "b": y.long()})
    found = run(recognise, module, {"y": Y, "x": X})
    signs = X.sum(axis=1, keepdims=True) > 0
    np.testing.assert_array_equal(found["a"], np.where(signs, X, Y))
    np.testing.assert_array_equal(found["b"], np.trunc(Y))


def test_the_state_of_what_can_not_be_exported_is_put_back(
    torch: ModuleType, recognise: Any, of: Any
) -> None:
    def counting(self: Any, x: Any) -> Any:
        if x.sum() > 0:
            self.count += 1
        return x + self.count

    module = of(counting)
    module.register_buffer("count", torch.zeros(1))
    [made] = run(recognise, module, X).values()
    np.testing.assert_array_equal(made, X + (X.sum(axis=1, keepdims=True) > 0))
    assert module.count.item() == 0


def test_the_digest_of_what_can_not_be_exported_is_that_of_one_object(
    torch: ModuleType, recognise: Any, of: Any
) -> None:
    """Nothing shows the constants of its code: no result of it is good for another run."""
    made = [
        recognise(of(scaled_by_its_sign, scale=torch.nn.Parameter(torch.ones(4))), X)
        for _ in range(2)
    ]
    assert made[0].digest() == made[0].digest() != made[1].digest()
    assert not made[0].lasting
    assert recognise(torch.nn.Linear(4, 2), X).lasting
    before = made[0].digest()
    with torch.no_grad():
        made[0]._module.scale += 1
    assert made[0].digest() != before


def test_numpy_inside(recognise: Any, of: Any) -> None:
    with pytest.raises((UnsupportedError, ConfigurationError)) as raised:
        recognise(of(lambda self, x: x * float(np.asarray(x.numpy()).sum())), X).load()
    assert raised.value.remedy


def test_no_gradient_is_kept(torch: ModuleType, recognise: Any) -> None:
    module = torch.nn.Linear(4, 2)
    run(recognise, module, X)
    assert module.weight.requires_grad
    assert module.weight.grad is None
    module(torch.from_numpy(X.copy())).sum().backward()  # and it can still be trained
    assert module.weight.grad is not None


def test_hooks_of_the_user_stay_and_count(torch: ModuleType, recognise: Any) -> None:
    module = torch.nn.Linear(4, 2)
    module.register_forward_hook(lambda part, given, made: made + 100)
    before = list(module._forward_hooks.items())
    assert (run(recognise, module, X)["output"] > 50).all()
    assert list(module._forward_hooks.items()) == before


def test_torch_is_left_as_it_was(torch: ModuleType, recognise: Any, of: Any) -> None:
    module = of(
        lambda self, x: self.layer(x) + torch.rand(x.shape[0], 1) * 0, layer=torch.nn.Linear(4, 2)
    )

    def state() -> tuple[Any, ...]:
        return (
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.get_rng_state().sum().item(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_default_device(),
        )

    before, content = state(), torch.get_rng_state().clone()
    run(recognise, module, X)
    assert state() == before
    assert torch.equal(torch.get_rng_state(), content)


def test_inputs_are_left_as_they_were(recognise: Any, of: Any) -> None:
    """A forward that works in place, on data that may not be written to."""
    x = X.copy()
    x.setflags(write=False)
    made = run(recognise, of(lambda self, x: x.add_(1)), x)["output"]
    np.testing.assert_array_equal(made, X + 1)
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize("batch", ["free", "one"])
def test_a_forward_that_works_in_place_has_no_state(
    torch: ModuleType, recognise: Any, of: Any, tmp_path: Path, batch: str
) -> None:
    """Neither in its graph nor in that of its file: an input that is written to is a copy."""

    def forward(self: Any, x: Any) -> Any:
        x[:, 0] += 1
        return self.layer(torch.nn.functional.relu_(x.view(-1, 4)))

    module = of(forward, layer=torch.nn.Linear(4, 2))
    expected = module(torch.from_numpy(X.copy())).detach().numpy()
    free = ({0: torch.export.Dim("n", min=1)},) if batch == "free" else None
    sample = torch.zeros(2 if batch == "free" else 1, 4)
    path = tmp_path / "m.pt2"
    with held_native_output():
        torch.export.save(torch.export.export(module, (sample,), dynamic_shapes=free), path)
    for candidate in (module, path):
        loaded = recognise(candidate, X[:1]).load()
        with held_native_output():
            assert written_state(loaded.framework_model) == []
        assert loaded.stateful == ()
        np.testing.assert_allclose(run(recognise, candidate, X)["output"], expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["GraphModule", "parametrized", "compiled", "TorchScript"])
def test_modules_that_are_wrapped(torch: ModuleType, recognise: Any, kind: str) -> None:
    torch.manual_seed(0)
    plain = torch.nn.Linear(4, 2)
    wrap = {
        "GraphModule": lambda: torch.export.export(
            plain, (torch.zeros(2, 4),), dynamic_shapes=({0: torch.export.Dim("n", min=1)},)
        ).module(),
        "parametrized": lambda: torch.nn.utils.parametrizations.weight_norm(plain),
        "TorchScript": lambda: torch.jit.trace(plain, torch.zeros(1, 4)),
        "compiled": lambda: torch.compile(plain, backend="eager"),
    }
    with held_native_output():
        module = wrap[kind]()
    with torch.no_grad():
        expected = plain(torch.from_numpy(X.copy())).numpy()
    np.testing.assert_allclose(run(recognise, module, X)["output"], expected, atol=1e-6)


def test_blocks_bound_the_memory(torch: ModuleType, recognise: Any, of: Any) -> None:
    seen: list[int] = []

    def forward(self: Any, x: Any) -> Any:
        seen.append(x.shape[0])
        return x.mean((1, 2), keepdim=True)

    x = RNG.normal(size=(40, 400, 200)).astype(np.float32)
    with RUNTIME.open(recognise(of(forward), x)) as runner:
        seen.clear()
        [made] = runner.infer((x,))
    assert max(seen) * x[0].nbytes <= 8_000_000
    np.testing.assert_allclose(made[:, 0, 0], x.mean((1, 2)), atol=1e-5)


def test_the_runtime_opens_models_only(tmp_path: Any) -> None:
    with pytest.raises(InferenceError, match="not a compressed artifact"):
        RUNTIME.open(tmp_path / "x.pt2")


def test_exports_log_nothing(torch: ModuleType, recognise: Any) -> None:
    """Not even to handlers at the logger that ``logging.disable`` does not reach."""
    records: list[logging.LogRecord] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, handler = logging.getLogger("torch.__trace"), Keeps()
    logger.addHandler(handler)
    try:
        recognise(torch.nn.Linear(4, 2), np.ones((2, 4), np.float32)).load()
    finally:
        logger.removeHandler(handler)
    assert not records
    assert not logger.disabled
