"""The table that an index was not found in: torch does not say how many rows it has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pytest_edgegate.backends.lookups import Lookup

_TABLES = ("aten.embedding.default", "aten.embedding_bag.default", "aten._embedding_bag.default")
"""Operators whose first argument is a table, and the second one the indices."""


def failed_lookup(torch: Any, call: Callable[[], object]) -> Lookup:
    """The look-up that makes a *call* fail, which is made once more and watched."""
    from torch.utils._python_dispatch import TorchDispatchMode

    seen: list[Lookup] = []

    class Watching(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, operator: Any, types: Any, arguments: Any = (), named: Any = None
        ) -> Any:
            if str(operator) in _TABLES:
                rows, indices = int(arguments[0].shape[0]), arguments[1]
                missing = indices[(indices < 0) | (indices >= rows)]
                if len(missing):
                    seen.append(Lookup(int(missing.flatten()[0]), rows))
            return operator(*arguments, **(named or {}))

    with suppress(Exception), torch.no_grad(), Watching():  # it fails as it did before
        call()
    return seen[0] if seen else Lookup()
