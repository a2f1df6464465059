"""Small torch networks that int8 training has to hold: what fuses, what shares a scale, what not.

Each takes (n, 1, 8, 8) and gives ten scores. Read by ``runpy``: test files can't import each other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Residual(nn.Module):
    """Separable convolutions with ReLU6, two tensors that are added, batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True)
        )
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.depth_norm = nn.BatchNorm2d(8)
        self.point = nn.Conv2d(8, 8, 1, bias=False)
        self.point_norm = nn.BatchNorm2d(8)
        self.scores = nn.Linear(8, 10)

    def forward(self, image: Any) -> Any:
        x = functional.max_pool2d(self.stem(image), 2)
        y = functional.relu6(self.depth_norm(self.depth(x)))
        x = functional.relu6(x + self.point_norm(self.point(y)))
        return self.scores(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Mixed(nn.Module):
    """Hardswish beside ReLU6, joined; one ReLU6 object twice; both poolings; dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(1, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.clamp = nn.ReLU6()
        self.left = nn.Conv2d(6, 4, 3, padding=1)
        self.right = nn.Conv2d(6, 4, 1)
        self.swish = nn.Hardswish()
        self.drop = nn.Dropout(0.2)
        self.scores = nn.Linear(8 * 4, 10)

    def forward(self, image: Any) -> Any:
        x = functional.max_pool2d(self.clamp(self.norm(self.one(image))), 2)
        x = torch.cat([self.swish(self.left(x)), self.clamp(self.right(x))], 1)
        return self.scores(self.drop(functional.avg_pool2d(x, 2).flatten(1)))


class Dense(nn.Sequential):
    """Linear layers, the last one without an activation."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


class Twice(nn.Module):
    """One ReLU6 object after two layers, and one layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(1, 4, 3, padding=1)
        self.two = nn.Conv2d(4, 4, 3, padding=1)
        self.clamp = nn.ReLU6()
        self.scores = nn.Linear(4, 10)

    def forward(self, image: Any) -> Any:
        x = self.clamp(self.two(self.clamp(self.one(image))))
        return self.scores(self.clamp(self.two(x)).mean((2, 3)))


class Rows(nn.Module):
    """Linear layers over the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.scores = nn.Linear(8, 12), nn.Linear(12, 10)

    def forward(self, image: Any) -> Any:
        return self.scores(torch.relu(self.hidden(image.squeeze(1)))).mean(1)


class Assorted(nn.Module):
    """What else there is: preprocessing, gates, normalisation with no layer before it, a ReLU that
    others look past, upsampling, a linear layer's normalisation, probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, 1, 1, 1), 0.3))
        self.first = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.alone = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.third = nn.Conv2d(8, 8, 3, padding=1)
        self.hidden = nn.Linear(16, 12)
        self.hidden_norm = nn.BatchNorm1d(12)
        self.scores = nn.Linear(12, 10)

    def forward(self, image: Any) -> Any:
        x = self.first((image - self.mean) / 0.4)
        y = functional.silu(self.norm(self.second(torch.relu(self.alone(x)))), inplace=True)
        gate = torch.relu(self.squeeze(y.mean((2, 3), keepdim=True)))
        x = x + y * functional.hardsigmoid(self.excite(gate))
        x = 0.5 * x + torch.relu(x)
        x = torch.relu(functional.max_pool2d(functional.interpolate(x, scale_factor=2), 2))
        x = torch.cat([x, functional.leaky_relu(self.third(x), 0.1)], 1)
        x = self.hidden_norm(self.hidden(functional.adaptive_avg_pool2d(x, 1).flatten(1)))
        return torch.softmax(self.scores(torch.relu(x)), -1)


NETWORKS = {each.__name__: each for each in (Residual, Mixed, Dense, Twice, Rows, Assorted)}


def make(name: str) -> nn.Module:
    """An untrained network with statistics and biases that are not those of a new one."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NETWORKS[name]()
        for part in network.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, std=0.5)
                assert part.running_mean is not None
                assert part.running_var is not None
                part.running_mean.normal_(std=0.3)
                part.running_var.uniform_(0.5, 2)
    return network.eval()
