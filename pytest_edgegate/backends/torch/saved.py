"""Remedies for files of torch.save and torch.jit.save, which can't be gated directly."""

from __future__ import annotations

import pickletools
from pathlib import Path

from pytest_edgegate.backends.torch.archive import SAVE_AGAIN
from pytest_edgegate.backends.torch.pickled import foreign_globals
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.reading.archives import opened
from pytest_edgegate.reading.foreign import reason_of

_NESTED = ("state_dict", "model_state_dict")
"""The usual keys of the weights in a checkpoint."""
_PICKLE_BYTES = 500_000_000
"""The largest pickle beside the weights in bytes; it only names them."""


def refused(path: Path, *, zipped: bool) -> UnsupportedError:
    """The error for such a file, with the lines that make a .pt2 archive of it."""
    what, loading = _contents(path, zipped)
    return UnsupportedError(
        f"{path.name} holds {what}: it can't be gated as it is",
        f"""build the model, load the weights, and save it as an exported program:

import torch
{loading}
batch = torch.export.Dim("batch")
program = torch.export.export(model.eval(), (x,), dynamic_shapes=({{0: batch}},))  # x: 2 samples
torch.export.save(program, "{path.stem}.pt2")  # then return this path from edge_model""",
    )


def _contents(path: Path, zipped: bool) -> tuple[str, str]:
    """The content of the file, and the lines that load a model from it."""
    own = "model = MyModel()  # your class"
    if not zipped:  # torch before 1.6 wrote bare pickles
        return "weights without an architecture, or a pickle that can run code", _weights(path, own)
    with opened(path, lambda reason: _damaged(path, reason)) as archive:
        names = archive.names
        if any(name.count("/") == 1 and name.endswith("/constants.pkl") for name in names):
            return (
                "a TorchScript program, which no converter reads any more",
                f'{own}\nmodel.load_state_dict(torch.jit.load("{path.name}").state_dict())',
            )
        name = next(name for name in names if name.endswith("/data.pkl"))
        pickled = archive.read(name, most=_PICKLE_BYTES)
    try:
        foreign = list(foreign_globals(pickled))
        strings = {
            argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)
        }
    except (ValueError, IndexError, OverflowError) as error:
        return f"a damaged pickle ({reason_of(error)})", _weights(path, own)
    nested = next((key for key in _NESTED if key in strings), None)
    if nested is not None:
        return "a training checkpoint, without an architecture", _weights(
            path, own, f'["{nested}"]'
        )
    if foreign:
        return (
            f"a pickle that runs code ({foreign[0]})",
            f'model = torch.load("{path.name}", weights_only=False)  # runs code: a file you trust',
        )
    return "weights without an architecture", _weights(path, own)


def _weights(path: Path, own: str, key: str = "") -> str:
    load = f'torch.load("{path.name}", weights_only=True)'
    return f"{own}\nmodel.load_state_dict({load}{key})"


def _damaged(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(f"{path.name} is a damaged archive: {reason}", SAVE_AGAIN)
