"""Training in int8: what is rounded, what is not, and that the program is what was trained."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import warm_python

from pytest_edgegate import QAT, EdgeData, EdgeTraining, Prune
from pytest_edgegate.backends.torch.archive import is_quantised
from pytest_edgegate.backends.torch.prune import TRANSFORM as PRUNE
from pytest_edgegate.backends.torch.qat import TRANSFORM
from pytest_edgegate.backends.torch.reader import READER
from pytest_edgegate.core.errors import CompressionError, UnsupportedError
from pytest_edgegate.core.ports import SourceModel
from pytest_edgegate.core.target import Target
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings

NAMES = ("example", "Residual", "Mixed", "Dense", "Twice", "Rows", "Assorted")
X = np.random.default_rng(0).normal(size=(24, 1, 8, 8)).astype(np.float32)
Y = np.arange(24) % 10
DATA = EdgeData(train=(X, Y), evaluation=(X, Y))


def recognised(module: object, data: EdgeData = DATA) -> SourceModel:
    found = READER.recognise(module, surroundings(data))
    assert found is not None
    return found


def kind(node: Any) -> str:
    return str(getattr(getattr(node.target, "_schema", None), "name", ""))


def attribute(program: Any, node: Any) -> np.ndarray:
    """The tensor behind an input of a program, by the name that its signature has for it."""
    signature = program.graph_signature
    name = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}[node.name]
    value = program.state_dict.get(name, program.constants.get(name))
    return np.asarray(value.detach())


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_between_operators_is_rounded(trained: Any, name: str) -> None:
    """Walked from outside: floats come out of integers, and go into integers or a clamp."""
    case = trained(name)
    assert case.program.node == ("torch", "int8")
    program = case.program.load().framework_model
    stored = set(program.graph_signature.inputs_to_buffers)
    stored |= set(program.graph_signature.inputs_to_parameters)
    clamps = ("aten::relu", "aten::relu6", "aten::hardtanh", "aten::clamp")
    count = 0
    for node in program.graph.nodes:
        if node.op != "call_function" or kind(node).startswith("quantized_decomposed"):
            continue
        if not hasattr(node.meta.get("val"), "dtype"):
            continue
        count += 1
        for at, given in enumerate(node.all_input_nodes):
            if not hasattr(given.meta["val"], "dtype"):
                continue
            fused = kind(node) in clamps and not kind(given).startswith("quantized")
            bias = at == 2 and given.name in stored
            assert "::dequantize_" in kind(given) or fused or bias, (node, given)
        for user in node.users:
            assert "::quantize_" in kind(user) or kind(user) in clamps, (node, user)
    assert count >= 3


@pytest.mark.parametrize("name", ["example", "Residual"])
def test_a_clamp_that_the_integers_end_at_is_no_operator(trained: Any, name: str) -> None:
    program = trained(name).program.load().framework_model
    kinds = {kind(node) for node in program.graph.nodes}
    assert not kinds & {"aten::relu6", "aten::hardtanh", "aten::relu"}


def test_integer_arithmetic_in_numpy(trained: Any) -> None:
    """A network of linear layers, computed with integers alone from what the program stores."""
    case = trained("Dense")
    program = case.program.load().framework_model
    (name,) = program.graph_signature.user_inputs
    (given,) = (each for each in program.graph.nodes if each.name == name)
    values = np.rint(case.images.reshape(-1, 64) / scale_of(given)) + zero_of(given)
    integers = np.clip(values, -128, 127).astype(np.int64)
    scale, zero = scale_of(given), zero_of(given)
    for node in program.graph.nodes:
        if kind(node) != "aten::linear":
            continue
        weights = attribute(program, node.args[1].args[0]).astype(np.int64)
        assert np.abs(weights).max() == 127
        product = scale * node.args[1].args[1]
        exact = attribute(program, node.args[2]) / product
        bias = np.rint(exact).astype(np.int64)
        np.testing.assert_allclose(exact, bias, rtol=1e-6, atol=1e-3)
        sums = (integers - zero) @ weights.T + bias
        quantise = next(iter(node.users))
        scale, zero = quantise.args[1], quantise.args[2]
        integers = np.clip(np.rint(sums * product / scale) + zero, -128, 127).astype(np.int64)
    steps = (case.outputs() - (integers - zero) * scale) / scale
    assert np.abs(steps).max() < 1.01  # a tie may be rounded either way
    assert (np.abs(steps) < 0.01).mean() > 0.99


def scale_of(node: Any) -> float:
    return float(next(iter(node.users)).args[1])


def zero_of(node: Any) -> int:
    return int(next(iter(node.users)).args[2])


@pytest.mark.parametrize(
    ("name", "target"),
    [("Residual", "coral"), ("Residual", "jetson-nano"), ("Mixed", "coral"), ("Assorted", "coral")],
)
def test_the_program_is_the_module_that_was_trained(
    torch: ModuleType, trained: Any, name: str, target: str
) -> None:
    """In evaluation mode; a value in the middle of two steps may go either way.

    Where zero points are 0, a clamp at 0 is an operator of its own.
    """
    from pytest_edgegate.backends.torch.converted import converted
    from pytest_edgegate.backends.torch.qat import _rounding

    case = trained(name)
    model = recognised(case.network, case.data)
    images = torch.tensor(case.images)
    module = _rounding(torch, model, model.load(), (images,), Registry().get("target", target))
    with torch.no_grad():
        (rounded,) = module(images)
        (in_float,) = model.load().function(images)
        (made,) = converted(torch, module)(images)
    step = np.diff(np.unique(made.numpy())).min()
    apart = (rounded - made).abs().numpy() / step
    assert apart.max() < 2.01
    assert apart.mean() < 0.2
    assert np.abs((made - in_float).numpy()).mean() < 6 * step


@pytest.mark.parametrize("name", ["Residual", "Mixed", "Rows", "Assorted"])
def test_simpler_operators_compute_the_same(torch: ModuleType, trained: Any, name: str) -> None:
    from pytest_edgegate.backends.torch.simplify import simplified

    case = trained(name)
    images = torch.tensor(case.images)
    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(case.network, (images,), dynamic_shapes=(batch,))
    simple = simplified(torch, program.module(check_guards=False), name)
    kinds = {kind(node) for node in simple.graph.nodes}
    assert not kinds & {"aten::batch_norm", "aten::silu_", "aten::hardsigmoid", "aten::div"}
    with torch.no_grad():
        np.testing.assert_allclose(simple(images), case.network(images), atol=2e-5)


def test_real_digits_stay_read(trained: Any) -> None:
    case = trained("example")
    _, labels = case.data.evaluation
    images = case.images
    reference = recognised(case.network, case.data).load()
    import torch

    (scores,) = reference.function(torch.tensor(images))
    before = float((scores.argmax(1).numpy() == labels).mean())
    after = float((case.outputs().argmax(1) == labels).mean())
    assert before > 0.95
    assert after >= before - 0.01


def test_what_is_told(trained: Any) -> None:
    facts = trained("Residual").made.facts["training"]
    assert facts["seed"] == 0
    assert facts["epochs"] == len(facts["losses"]) == 1
    assert facts["lr"] == 1e-3


@pytest.mark.parametrize("name", ["Residual", "Mixed", "Dense", "Assorted"])
def test_the_program_is_compared_with_what_was_trained(trained: Any, name: str) -> None:
    apart = trained(name).made.facts["agreement"]
    assert apart["samples"] == 64
    assert apart["largest_steps"] < 2.01
    assert apart["mean_steps"] < 0.2


def test_a_program_that_computes_something_else_is_refused(
    trained: Any, coral: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_edgegate.backends.torch import qat
    from pytest_edgegate.backends.torch.converted import converted

    def wrong(torch: Any, module: Any) -> Any:
        made = converted(torch, module)
        scales = [value for name, value in made.named_buffers() if "scale" in name]
        assert scales
        scales[0].mul_(1.5)
        return made

    monkeypatch.setattr(qat, "converted", wrong)
    case = trained("Residual")
    model = recognised(case.network, case.data)
    with pytest.raises(CompressionError, match="does not compute what the trained int8 program"):
        TRANSFORM.apply(model, QAT(1), coral, CaseData(case.data), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_loss_falls(trained: Any, coral: Target, tmp_path: Path) -> None:
    """Ranges follow what grows: they hold no gradient back for long."""
    case = trained("Dense")
    data = CaseData(case.data, training=EdgeTraining(batch_size=32))
    model = recognised(case.network, case.data)
    made = TRANSFORM.apply(model, QAT(4, lr=1e-2), coral, data, tmp_path)
    assert made.facts["training"]["losses"][-1] < 0.4 * made.facts["training"]["losses"][0]


def test_the_users_module_stays_as_it_is(torch: ModuleType, coral: Target, tmp_path: Path) -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(inplace=True),
        torch.nn.Dropout(0.5),
        torch.nn.Flatten(),
        torch.nn.Linear(144, 10),
    ).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    TRANSFORM.apply(recognised(module), QAT(1, lr=1e-2), coral, CaseData(DATA), tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(part.training for part in module.modules())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_dropout_drops_while_learning_only(torch: ModuleType, coral: Target) -> None:
    from pytest_edgegate.backends.torch.fake_quantised import evaluate, learn
    from pytest_edgegate.backends.torch.qat import _rounding

    module = torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(64, 32),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(32, 10),
    )
    model = recognised(module)
    images = torch.tensor(X)
    made = _rounding(torch, model, model.load(), (images,), coral)
    with torch.no_grad():
        steady = [made(images)[0] for _ in range(2)]
        learn(made)
        for part in made.modules():  # so that nothing else moves
            if hasattr(part, "enable_observer"):
                part.enable_observer(False)
        dropped = [made(images)[0] for _ in range(2)]
        evaluate(made)
    assert torch.equal(*steady)
    assert not torch.equal(*dropped)


def test_frozen_weights_stay(torch: ModuleType, coral: Target, tmp_path: Path) -> None:
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 8), torch.nn.ReLU(), torch.nn.Linear(8, 10)
    )
    module[1].requires_grad_(False)
    made = TRANSFORM.apply(recognised(module), QAT(2, lr=0.1), coral, CaseData(DATA), tmp_path)
    program = recognised(made.main).load().framework_model
    first, last = (node for node in program.graph.nodes if kind(node) == "aten::linear")
    for node, same in ((first, True), (last, False)):
        stored = attribute(program, node.args[1].args[0]) * node.args[1].args[1]
        weights = module[1 if same else 3].weight.detach().numpy()
        close = np.abs(stored - weights).max() <= 0.51 * node.args[1].args[1]
        assert bool(close) is same


def test_a_bias_beyond_32_bits_widens_its_scale(
    torch: ModuleType, coral: Target, tmp_path: Path
) -> None:
    """A filter of zeros has the smallest scale there is, and its bias is all that it gives."""
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 10)
    )
    with torch.no_grad():
        module[0].weight[1] = 0
        module[0].bias[1] = 500.0
    small = EdgeData(train=(X * 1e-3, Y), evaluation=(X * 1e-3, Y))
    made = TRANSFORM.apply(
        recognised(module, small), QAT(1, lr=1e-9), coral, CaseData(small), tmp_path
    )
    program = recognised(made.main, small).load().framework_model
    (node,) = (each for each in program.graph.nodes if kind(each) == "aten::conv2d")
    bias = attribute(program, node.args[2])
    scales = node.args[0].args[1] * attribute(program, node.args[1].args[1])
    assert bias[1] == pytest.approx(500.0, rel=1e-3)
    assert np.abs(bias / scales).max() < 2**31


def odd(torch: ModuleType) -> dict[str, tuple[Any, str]]:
    nn = torch.nn

    class Recurrent(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.cell(x.squeeze(1))[0].mean(1))

    class Attention(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.attend, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 10)

        def forward(self, x: Any) -> Any:
            x = x.squeeze(1)
            return self.head(self.attend(x, x, x, need_weights=False)[0].mean(1))

    def flat(*layers: Any) -> Any:
        return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(10))

    made = {
        "lstm": (Recurrent(), r"lstm .*\(recurrent layers"),
        "attention": (Attention(), r"scaled_dot_product_attention .*activations by activations"),
        "layer norm": (flat(nn.LayerNorm(8)), r"layer_norm in .*\(it divides by a statistic"),
        "transposed": (
            flat(nn.ConvTranspose2d(1, 2, 2, stride=2)),
            r"conv_transpose2d in .*PTQ\(\) stores in int8",
        ),
        "no statistics": (
            flat(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False)),
            r"normalises by the statistics of the batch",
        ),
        "gelu": (flat(nn.Conv2d(1, 2, 3), nn.GELU()), r"gelu in"),
        "computed weights": (
            flat(nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 2, 3))),
            r"the weights of conv2d.* are computed, not stored",
        ),
    }
    for module, _ in made.values():
        module(torch.zeros(2, 1, 8, 8))  # the size of a lazy layer
    return made


@pytest.mark.parametrize(
    "name",
    ["lstm", "attention", "layer norm", "transposed", "no statistics", "gelu", "computed weights"],
)
def test_what_has_no_integer_form_is_refused_before_training(
    torch: ModuleType, coral: Target, tmp_path: Path, name: str
) -> None:
    module, reason = odd(torch)[name]
    trained_on: list[int] = []

    def seen(x: Any, rng: Any) -> Any:
        trained_on.append(len(x))
        return x

    data = CaseData(DATA, training=EdgeTraining(augment=seen, version="1"))
    with pytest.raises(UnsupportedError, match=reason) as raised:
        TRANSFORM.apply(recognised(module), QAT(1), coral, data, tmp_path)
    assert raised.value.remedy
    assert not trained_on
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_written_to_is_refused(
    torch: ModuleType, coral: Target, tmp_path: Path
) -> None:
    class Writes(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            x = x.flatten(1) * 1.5
            x[:, :3].mul_(2.0)
            return self.head(x)

    with pytest.raises(UnsupportedError, match="writes into a tensor in its place"):
        TRANSFORM.apply(recognised(Writes()), QAT(1), coral, CaseData(DATA), tmp_path)


def test_a_training_that_diverges_leaves_nothing(
    torch: ModuleType, coral: Target, tmp_path: Path
) -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    broken = EdgeTraining(loss=lambda outputs, _: outputs.sum() * np.nan, version="1")
    data = CaseData(DATA, training=broken)
    with pytest.raises(CompressionError, match="diverged"):
        TRANSFORM.apply(recognised(module), QAT(), coral, data, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_sample_to_train_on(torch: ModuleType, coral: Target, tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    one = EdgeData(train=(X[:1], Y[:1]), evaluation=(X, Y))
    made = TRANSFORM.apply(recognised(module, one), QAT(1), coral, CaseData(one), tmp_path)
    (shape,) = (each.shape for each in recognised(made.main, one).load().inputs)
    assert shape == (-1, 1, 8, 8)


def test_after_pruning(trained: Any, coral: Target, tmp_path: Path) -> None:
    case = trained("Residual")
    first, second = tmp_path / "pruned", tmp_path / "trained"
    first.mkdir()
    second.mkdir()
    pruned = PRUNE.apply(
        recognised(case.network, case.data), Prune(0.5, epochs=1), coral, CaseData(case.data), first
    )
    source = recognised(pruned.main, case.data)
    assert source.node == ("torch", "float32")
    made = TRANSFORM.apply(source, QAT(1), coral, CaseData(case.data), second)
    program = recognised(made.main, case.data)
    assert program.node == ("torch", "int8")
    sizes = [
        attribute(program.load().framework_model, node.args[1].args[0]).shape[0]
        for node in program.load().framework_model.graph.nodes
        if kind(node) == "aten::conv2d"
    ]
    assert sizes == [4, 4, 4]


def test_targets_of_symmetric_activations_train_apart(trained: Any) -> None:
    targets = {
        name: Registry().get("target", name) for name in ("coral", "onnx-cpu", "jetson-orin-nano")
    }
    needs = {name: dict(TRANSFORM.constraints(each)) for name, each in targets.items()}
    assert needs["coral"] == needs["onnx-cpu"] != needs["jetson-orin-nano"]
    program = trained("Residual", symmetric=True).program.load().framework_model
    zeros = {
        node.args[2]
        for node in program.graph.nodes
        if kind(node) == "quantized_decomposed::quantize_per_tensor"
    }
    assert zeros == {0}


def test_int8_programs_are_told_without_torch(trained: Any, healthy: Path) -> None:
    path = trained("Dense").program.path
    assert is_quantised(path)
    assert not is_quantised(healthy)
    code = (
        "import sys; from pathlib import Path\n"
        "from pytest_edgegate.backends.torch.reader import READER\n"
        "print(READER.recognise(Path(sys.argv[1]), None).node, 'torch' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "('torch', 'int8') False"


BYTES = """
import hashlib, sys
from pathlib import Path
import numpy as np, torch
from pytest_edgegate import QAT, EdgeData
from pytest_edgegate.backends.litert.from_torch_int8 import TRANSFORM as LITERT
from pytest_edgegate.backends.onnx.from_torch_int8 import TRANSFORM as ONNX
from pytest_edgegate.backends.torch.qat import TRANSFORM
from pytest_edgegate.backends.torch.reader import READER
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings

out, coral = Path(sys.argv[1]), Registry().get("target", "coral")
torch.manual_seed(0)
module = torch.nn.Sequential(
    torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU6(), torch.nn.Dropout(0.3),
    torch.nn.Flatten(), torch.nn.Linear(144, 10),
)
x = np.random.default_rng(0).random((96, 1, 8, 8), np.float32)
data = EdgeData(train=(x, np.arange(96) % 10), evaluation=(x, np.arange(96) % 10))
around = surroundings(data)
model = READER.recognise(module, around)
files = [TRANSFORM.apply(model, QAT(2, lr=1e-3), coral, CaseData(data), out).main]
program = READER.recognise(files[0], around)
for transform in (ONNX, LITERT):
    files.append(transform.apply(program, None, coral, CaseData(data), out).main)
print([(each.suffix, hashlib.sha256(each.read_bytes()).hexdigest()) for each in files])
"""


def test_the_same_bytes_in_two_processes(tmp_path: Path) -> None:
    """One of them has next to nothing in its environment; their texts have other hashes."""
    (tmp_path / "there").mkdir()
    names = {"OMP_NUM_THREADS", "PYTHONPATH"} & os.environ.keys()
    kept = {name: os.environ[name] for name in names}
    bare = {"PYTHONHASHSEED": "2", "PATH": "/usr/bin:/bin", **kept}
    ways = (
        ([sys.executable, "-c", BYTES, str(tmp_path)], bare),
        ([*warm_python.command(BYTES), str(tmp_path / "there")], os.environ),
    )
    ended = [
        subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environment))
        for command, environment in ways
    ]
    assert [each.returncode for each in ended] == [0, 0], [each.stderr for each in ended]
    one, other = (each.stdout.strip().splitlines()[-1] for each in ended)
    assert one == other
    for suffix in (".pt2", ".onnx", ".tflite"):
        assert suffix in one
