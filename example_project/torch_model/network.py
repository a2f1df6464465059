"""The network of the torch example: depthwise-separable blocks and a residual one."""

from __future__ import annotations

import torch
from torch import nn

CLASSES = 10


def separable(inside: int, outside: int) -> nn.Sequential:
    """A depthwise 3x3 and a pointwise convolution: (n, inside, h, w) to (n, outside, h, w)."""
    return nn.Sequential(
        nn.Conv2d(inside, inside, 3, padding=1, groups=inside, bias=False),
        nn.BatchNorm2d(inside),
        nn.ReLU6(),
        nn.Conv2d(inside, outside, 1, bias=False),
        nn.BatchNorm2d(outside),
    )


class DigitsNet(nn.Module):
    """Reads a digit, (n, 1, 28, 28) float32 in [0, 1]; gives logits, (n, 10) float32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()
        )
        self.widen = separable(16, 48)
        self.residual = separable(48, 48)
        self.deepen = separable(48, 96)
        self.pool = nn.MaxPool2d(2)
        self.scores = nn.Linear(96, CLASSES)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.stem(image))
        x = nn.functional.relu6(self.widen(x))
        x = self.pool(nn.functional.relu6(self.residual(x) + x))
        x = nn.functional.relu6(self.deepen(x))
        logits: torch.Tensor = self.scores(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits
