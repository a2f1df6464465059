"""What to do about a file of torch.save or torch.jit.save, which a gate can't take as it is."""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path

from pytest_edgegate.backends.torch.pickled import foreign_globals
from pytest_edgegate.backends.zipped import DAMAGED_ZIP
from pytest_edgegate.core.errors import UnsupportedError

_NESTED = ("state_dict", "model_state_dict")
"""Under which key trainers keep the weights of a checkpoint."""


def refused(path: Path) -> UnsupportedError:
    """The error for such a file, with the lines that make a .pt2 archive of it."""
    what, loading = _contents(path)
    return UnsupportedError(
        f"{path.name} holds {what}: it can't be gated as it is",
        f"""build the model, load the weights, and save it as an exported program:

import torch
{loading}
batch = torch.export.Dim("batch")
program = torch.export.export(model.eval(), (x,), dynamic_shapes=({{0: batch}},))  # x: 2 samples
torch.export.save(program, "{path.stem}.pt2")  # then return this path from edge_model""",
    )


def _contents(path: Path) -> tuple[str, str]:
    """What the file holds, and the lines that make a model of it."""
    own = "model = MyModel()  # your class"
    if not zipfile.is_zipfile(path):  # torch before 1.6 wrote bare pickles
        return "weights without an architecture, or a pickle that can run code", _weights(path, own)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.count("/") == 1 and name.endswith("/constants.pkl") for name in names):
            return (
                "a TorchScript program, which no converter reads any more",
                f'{own}\nmodel.load_state_dict(torch.jit.load("{path.name}").state_dict())',
            )
        try:
            pickled = archive.read(next(name for name in names if name.endswith("/data.pkl")))
            foreign = list(foreign_globals(pickled))
            strings = {argument for _, argument, _ in pickletools.genops(pickled)
                       if isinstance(argument, str)}  # fmt: skip
        except DAMAGED_ZIP as error:
            return f"a damaged pickle ({error})", _weights(path, own)
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
