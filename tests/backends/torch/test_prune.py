"""Filters taken out of torch modules: which, how many, and that the rest is what it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import EdgeData, EdgeTraining, Prune
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch import counting
from pytest_edgegate.backends.torch.filters import removed_of
from pytest_edgegate.backends.torch.prune import TRANSFORM
from pytest_edgegate.backends.torch.removal import OUTPUT, Pruned, prune
from pytest_edgegate.core.errors import CompressionError, UnsupportedError
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData

RNG = np.random.default_rng(11)
HOST = Registry().get("target", "host")
IMAGES = RNG.normal(size=(8, 1, 8, 8)).astype(np.float32)

Remove = Callable[..., Pruned]


@pytest.fixture
def remove(torch: ModuleType) -> Remove:
    """A module pruned and not trained."""

    def removed(module: Any, seed: int = 0, **fields: Any) -> Pruned:
        step = Prune(**{"amount": 0.3, **fields})
        with held_native_output():
            return prune(torch, module, (torch.tensor(IMAGES),), step, seed)

    return removed


@pytest.fixture
def apply(recognise: Any, digits: EdgeData, tmp_path: Path) -> Callable[..., Produced]:
    """A module pruned by the transform, on real digits."""

    def applied(candidate: Any, step: Prune, **settings: Any) -> Produced:
        data = CaseData(digits, training=EdgeTraining(**settings))
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        model = recognise(candidate, digits.train[0])
        return TRANSFORM.apply(model, step, HOST, data, out)

    return applied


def filters(module: Any) -> dict[str, int]:
    return {
        name: len(part.weight)
        for name, part in module.named_modules()
        if "Conv" in type(part).__name__ or "Linear" in type(part).__name__
    }


EXPECTED = {
    "Chain": {"one": 7, "two": 14, "head": 10},
    "Residual": {"one": 7, "two": 7, "wide": 14, "depth": 14, "narrow": 7, "head": 10},
    "Concatenated": {"left": 7, "right": 14, "both": 14, "grouped": 28, "hidden": 21, "head": 10},
    "Normalised": {"one": 15, "two": 7, "head": 10},
}
"""Three tenths fewer in each: 10 - 3, 20 - 6, 30 - 9, 40 - 12; five groups keep 3 of 4 each."""


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_layer_loses_the_amount(remove: Remove, networks: Any, name: str) -> None:
    module = getattr(networks, name)()
    before = filters(module)
    pruned = remove(module)
    assert filters(pruned.module) == EXPECTED[name]
    assert filters(module) == before
    assert pruned.locked == {"head": OUTPUT}


CHANNELS = {
    "Chain": {"one": "one", "two": "two"},
    "Residual": {"one": "norm_one", "wide": "wide"},
    "Concatenated": {
        "left": "left",
        "sides": "norm",
        "both": "both",
        "grouped": "grouped",
        "hidden": "hidden",
    },
}
"""Where a layer reads channels, and a part whose bias tells them apart."""


@pytest.mark.parametrize("importance", ["l1", "l2", "random"])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_removed_is_masked(
    torch: ModuleType, remove: Remove, networks: Any, name: str, seed: int, importance: str
) -> None:
    """The network without channels is the whole one with 0 where they are read."""
    whole = getattr(networks, name)(seed)
    pruned = remove(whole, seed, importance=importance, amount=0.4).module
    for place, part in CHANNELS[name].items():
        old, new = (module.get_submodule(part).bias for module in (whole, pruned))
        assert len(new) < len(old)
        whole.masks[place] = torch.isin(old, new).float()
        assert whole.masks[place].sum() == len(new)
    x = torch.tensor(IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(pruned(x), whole(x), rtol=1e-5, atol=1e-5)
        whole.masks.clear()
        assert float((pruned(x) - whole(x)).abs().max()) > 1e-2


@pytest.mark.parametrize(("importance", "norm"), [("l1", 1), ("l2", 2)])
def test_the_filters_of_the_least_norm_go(
    torch: ModuleType, remove: Remove, networks: Any, importance: str, norm: int
) -> None:
    whole = networks.Chain()
    with torch.no_grad():  # one weight of its own, so that the norms put filters in other orders
        whole.two.weight[:, 0, 0, 0] += torch.linspace(3, -3, 20)
    made = remove(whole, importance=importance).module
    for part, count in (("one", 7), ("two", 14)):
        layer = whole.get_submodule(part)
        flat = layer.weight.detach().numpy().reshape(layer.out_channels, -1)
        norms = np.linalg.norm(flat, ord=norm, axis=1)
        kept = np.sort(np.argsort(norms)[-count:])
        new = made.get_submodule(part)
        np.testing.assert_array_equal(new.bias.detach(), layer.bias.detach()[kept])
    assert made.two.weight.shape == (14, 7, 3, 3)


def test_layers_that_are_added_have_the_same_say(
    torch: ModuleType, remove: Remove, networks: Any
) -> None:
    whole = networks.Residual()
    with torch.no_grad():
        whole.two.weight.mul_(1000)  # counts no more than the others for it
    made = remove(whole).module
    total = 0
    for part in (whole.one, whole.two, whole.narrow):
        norms = part.weight.detach().abs().flatten(1).sum(1)
        total = total + norms / norms.mean()
    kept = torch.sort(torch.argsort(total)[3:]).values
    assert torch.equal(made.norm_one.bias, whole.norm_one.bias[kept])
    assert torch.equal(made.norm_two.running_var, whole.norm_two.running_var[kept])


def test_each_side_of_a_concatenation_loses_its_amount(
    torch: ModuleType, remove: Remove, networks: Any
) -> None:
    """Though a layer that is added to it would rather lose all of them on one side."""

    class Sides(networks.Network):  # type: ignore[misc, name-defined]
        def build(self) -> None:
            self.whole = torch.nn.Conv2d(1, 30, 3)
            self.left = torch.nn.Conv2d(1, 10, 3)
            self.right = torch.nn.Conv2d(1, 20, 3)
            self.head = torch.nn.Linear(30, 10)
            with torch.no_grad():
                self.whole.weight[:10] *= 10

        def forward(self, x: Any) -> Any:
            x = self.whole(x) + torch.cat([self.left(x), self.right(x)], 1)
            return self.head(self.at("sides", x.relu().mean((2, 3))))

    whole = Sides()
    made = remove(whole).module
    assert filters(made) == {"whole": 21, "left": 7, "right": 14, "head": 10}
    whole.masks["sides"] = torch.isin(whole.whole.bias, made.whole.bias).float()
    x = torch.tensor(IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(made(x), whole(x), rtol=1e-5, atol=1e-5)


def test_random_filters_are_seeded(torch: ModuleType, remove: Remove, networks: Any) -> None:
    def kept(seed: int) -> Any:
        return remove(networks.Chain(), seed, importance="random").module.two.bias

    assert torch.equal(kept(0), kept(0))
    assert not torch.equal(kept(0), kept(1))


@pytest.mark.parametrize(
    ("channels", "amount", "round_to", "blocks", "removed"),
    [
        (10, 0.3, 1, 1, 3),
        (100, 0.29, 1, 1, 29),  # 0.29 * 100 is 28.999... in binary
        (5, 0.5, 1, 1, 2),
        (3, 0.3, 1, 1, 0),
        (1, 0.9, 1, 1, 0),
        (20, 0.3, 8, 1, 4),
        (20, 0.1, 8, 1, 0),
        (6, 0.5, 8, 1, 0),
        (20, 0.3, 1, 5, 5),
        (24, 0.5, 8, 3, 0),
        (48, 0.5, 8, 3, 24),
    ],
)
def test_how_many_go(
    channels: int, amount: float, round_to: int, blocks: int, removed: int
) -> None:
    assert removed_of(channels, Prune(amount, round_to=round_to), blocks) == removed


def test_what_stays_is_a_multiple(remove: Remove, networks: Any) -> None:
    pruned = remove(networks.Concatenated(), round_to=4, amount=0.3)
    assert filters(pruned.module) == {
        "left": 8,
        "right": 16,
        "both": 16,
        "grouped": 28,
        "hidden": 24,
        "head": 10,
    }
    assert "leaves all of its 10 filters" in remove(networks.Chain(), round_to=16).locked["one"]


def test_a_normalisation_keeps_its_groups(torch: ModuleType, remove: Remove, networks: Any) -> None:
    whole = networks.Normalised()
    made = remove(whole).module
    assert (made.groups.num_groups, made.groups.num_channels) == (5, 15)
    assert made.layer.normalized_shape == (7,)
    kept = torch.isin(whole.one.bias, made.one.bias).reshape(5, 4)
    assert (kept == kept[0]).all()
    assert kept.sum() == 15


def test_sizes_counted_by_hand(torch: ModuleType) -> None:
    nn = torch.nn
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, stride=2, groups=8),
        nn.ConvTranspose2d(8, 4, 2, 2, groups=2),
        nn.Flatten(),
        nn.Linear(4 * 6 * 6, 10),
    ).eval()
    sizes = [3 * 8 * 9, 8 + 8, 8 * 9 + 8, 8 * 2 * 4 + 4, 144 * 10 + 10]
    assert counting.parameters(module) == sum(sizes)
    work = [64 * 8 * 3 * 9, 9 * 8 * 9, 9 * 8 * 2 * 4, 144 * 10]
    assert counting.macs(torch, module, (torch.zeros(1, 3, 8, 8),)) == sum(work)


def test_what_is_told_of_a_pruned_network(apply: Any, networks: Any) -> None:
    produced = apply(networks.Chain(), Prune(0.3, epochs=1))
    before = [10 * 9 + 10, 20 * 90 + 20, 180 * 10 + 10]
    after = [7 * 9 + 7, 14 * 63 + 14, 126 * 10 + 10]
    work = [64 * 9 * 10 + 9 * 90 * 20 + 1800, 64 * 9 * 7 + 9 * 63 * 14 + 1260]
    facts = produced.facts
    assert facts["parameters"] == [sum(before), sum(after)]
    assert facts["macs"] == work
    assert facts["filters"] == {"one": [10, 7], "two": [20, 14]}
    assert facts["kept"] == {"head": OUTPUT}
    assert len(facts["training"]["losses"]) == 1
    assert produced.notes == ()
    assert [each.name for each in produced.files] == ["Chain.pt2"]


def test_the_same_network_gives_the_same_bytes(apply: Any, networks: Any) -> None:
    made = [apply(networks.Normalised(), Prune(0.3, epochs=1)).main for _ in range(2)]
    assert made[0] != made[1]
    assert made[0].read_bytes() == made[1].read_bytes()


def test_sizes_that_are_written_in_a_forward(
    torch: ModuleType, apply: Any, networks: Any, recognise: Any, digits: EdgeData
) -> None:
    class Written(networks.Chain):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            x = self.two(self.one(x).relu()).relu()
            return self.head(x.reshape(x.shape[0], 20 * 9))

    produced = apply(Written(), Prune(0.3, epochs=1))
    assert produced.facts["filters"] == {"one": [10, 7]}
    assert produced.facts["kept"]["two"].startswith("without them the forward breaks (RuntimeErr")
    (note,) = produced.notes
    assert note.startswith(
        "Prune(amount=0.3, epochs=1) removed no filter from these layers of Written: "
        "two: without them"
    )
    x = torch.tensor(digits.evaluation[0])
    assert recognise(produced.main).load().function(x)[0].shape == (200, 10)


def test_what_removal_would_change_is_left(
    torch: ModuleType, remove: Remove, networks: Any
) -> None:
    """A softmax over fewer channels gives shares, and others."""

    class Shares(networks.Network):  # type: ignore[misc, name-defined]
        def build(self) -> None:
            self.one = torch.nn.Conv2d(1, 10, 3)
            self.two = torch.nn.Conv2d(10, 20, 3)
            self.head = torch.nn.Linear(20, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.two(self.one(x).softmax(1)).mean((2, 3)))

    pruned = remove(Shares())
    assert filters(pruned.module) == {"one": 10, "two": 14, "head": 10}
    assert pruned.locked["one"] == "what follows it depends on its channels by more than layers"


def test_a_forward_that_writes_to_its_input_is_verified_on_fresh_samples(
    remove: Remove, networks: Any
) -> None:
    class InPlace(networks.Chain):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return super().forward(x.sub_(0.5).mul_(4))

    plain, in_place = remove(networks.Chain()), remove(InPlace())
    assert filters(in_place.module) == filters(plain.module)
    assert in_place.locked == plain.locked


def test_weights_in_common_are_left(torch: ModuleType, remove: Remove, networks: Any) -> None:
    class Tied(networks.Network):  # type: ignore[misc, name-defined]
        def build(self) -> None:
            self.one = torch.nn.Linear(64, 20)
            self.back = torch.nn.Linear(20, 20)
            self.again = torch.nn.Linear(20, 20)
            self.again.weight = self.back.weight
            self.hidden = torch.nn.Linear(20, 30)
            self.head = torch.nn.Linear(30, 10)

        def forward(self, x: Any) -> Any:
            x = self.again(self.back(self.one(x.flatten(1)).relu()).relu())
            return self.head(self.hidden(x.relu()).relu())

    pruned = remove(Tied())
    assert filters(pruned.module) == {"one": 20, "back": 20, "again": 20, "hidden": 21, "head": 10}
    assert pruned.locked["back"] == "back has a parameter in common with another layer"


def test_a_layer_that_is_called_twice(torch: ModuleType, remove: Remove, networks: Any) -> None:
    class Twice(networks.Network):  # type: ignore[misc, name-defined]
        def build(self) -> None:
            self.one = torch.nn.Conv2d(1, 10, 3, padding=1)
            self.two = torch.nn.Conv2d(10, 10, 3, padding=1)
            self.head = torch.nn.Linear(10, 10)

        def forward(self, x: Any) -> Any:
            x = self.two(self.at("one", self.one(x).relu())).relu()
            return self.head(self.at("one", self.two(self.at("one", x)).relu()).mean((2, 3)))

    whole = Twice()
    made = remove(whole).module
    assert filters(made) == {"one": 7, "two": 7, "head": 10}
    whole.masks["one"] = torch.isin(whole.two.bias, made.two.bias).float()
    x = torch.tensor(IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(made(x), whole(x), rtol=1e-5, atol=1e-5)


def test_frozen_layers_lose_filters_and_stay_frozen(
    torch: ModuleType, apply: Any, recognise: Any, networks: Any
) -> None:
    whole = networks.Chain()
    whole.one.requires_grad_(False)
    produced = apply(whole, Prune(0.3, epochs=1, lr=1e-2))
    assert produced.facts["filters"] == {"one": [10, 7], "two": [20, 14]}
    made = recognise(produced.main).load().trainable()
    kept = torch.isin(whole.one.bias, made.one.bias)
    assert torch.equal(made.one.weight, whole.one.weight[kept])
    frozen = {name for name, each in made.named_parameters() if not each.requires_grad}
    assert frozen == {"one.weight", "one.bias"}
    assert not torch.isin(made.two.bias, whole.two.bias).all()


def test_nothing_to_prune_is_refused(torch: ModuleType, apply: Any) -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval()
    with pytest.raises(UnsupportedError) as raised:
        apply(module, Prune(0.3, epochs=1))
    assert raised.value.message == (
        f"Prune(amount=0.3, epochs=1) finds no filter to remove in Sequential (1: {OUTPUT})"
    )
    assert "leave Prune out" in raised.value.remedy


def test_a_training_that_diverges_leaves_no_file(apply: Any, networks: Any, tmp_path: Path) -> None:
    with pytest.raises(CompressionError, match="the training of Chain diverged"):
        apply(networks.Chain(), Prune(0.3, epochs=1, lr=1e30), optimizer="sgd")
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == []


def test_outputs_keep_their_names(
    torch: ModuleType, apply: Any, recognise: Any, networks: Any
) -> None:
    class Named(networks.Chain):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return {"digit": super().forward(x), "ink": x.mean((1, 2, 3))}

    def loss(outputs: Any, labels: Any) -> Any:
        digit, _ = outputs
        return torch.nn.functional.cross_entropy(digit, labels)

    produced = apply(Named(), Prune(0.3, epochs=1), loss=loss, version="1")
    assert produced.facts["filters"] == {"one": [10, 7], "two": [20, 14]}
    assert recognise(produced.main).load().outputs == ("digit", "ink")


def test_a_pruned_file_is_pruned_again(apply: Any, networks: Any) -> None:
    once = apply(networks.Residual(), Prune(0.3, epochs=1))
    twice = apply(once.main, Prune(0.5, epochs=1))
    assert twice.facts["filters"]["wide"] == [14, 7]
    assert twice.facts["filters"]["one"] == [7, 4]
    assert set(twice.facts["filters"]) == {"one", "two", "wide", "depth", "narrow"}
    assert twice.main.stat().st_size < once.main.stat().st_size


@pytest.mark.slow
def test_exports_of_a_pruned_network_are_smaller_and_the_same(
    torch: ModuleType, apply: Any, networks: Any, recognise: Any, digits: EdgeData, tmp_path: Path
) -> None:
    x = digits.evaluation[0][:4]
    whole = networks.Residual()
    pruned = recognise(apply(whole, Prune(0.5, epochs=1)).main)
    (wanted,) = pruned.load().function(torch.tensor(x))
    registry = Registry()
    for form, runtime in (("onnx", "onnxruntime"), ("litert", "litert-reference")):
        transform = registry.get("transform", f"{form}.from_torch")
        sizes = []
        for model in (recognise(whole, x), pruned):
            out = tmp_path / f"{form} {len(sizes)}"
            out.mkdir()
            made = transform.apply(model, None, HOST, CaseData(digits), out)
            sizes.append(made.main.stat().st_size)
        assert sizes[1] < 0.8 * sizes[0], form
        with registry.get("runtime", runtime).open(made.main) as runner:
            given = np.moveaxis(x, 1, -1) if form == "litert" else x
            np.testing.assert_allclose(
                runner.infer((given,))[0], wanted.detach().numpy(), atol=1e-4
            )
