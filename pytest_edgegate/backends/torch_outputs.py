"""What a loaded torch program gives, for the backends that make files of torch programs."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_edgegate.core.ports import LoadedModel
from pytest_edgegate.data.splits import Array


def torch_outputs(loaded: LoadedModel, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """Its outputs for some samples, (n, ...) float32 for each output."""
    import torch

    with torch.no_grad():
        made = loaded.function(*(torch.tensor(each) for each in inputs))
    return tuple(each.detach().float().numpy() for each in made)
