"""Calling a module of the user's without leaving a trace in it or in torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def undisturbed(torch: Any, module: Any, *, buffers: bool = True) -> Iterator[Callable[[], bool]]:
    """The module in evaluation mode; its modes, *buffers* and random numbers put back after.

    What is yielded says whether a buffer has changed since.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(_evaluating(module))
        yield stack.enter_context(_kept_buffers(torch, module)) if buffers else _nothing_changed


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """``eval()`` and ``train()`` are not used: exported modules refuse them."""
    before = [(part, part.training) for part in module.modules()]
    try:
        for part, _ in before:
            part.training = False
        yield
    finally:
        for part, training in before:
            part.training = training


@contextmanager
def _kept_buffers(torch: Any, module: Any) -> Iterator[Callable[[], bool]]:
    """A module may change a buffer in its place or put another one there: both are undone."""
    kept = [
        (part, name, buffer, buffer.detach().clone())
        for part in module.modules()
        for name, buffer in part._buffers.items()
        if buffer is not None
    ]

    def changed() -> bool:
        return any(
            part._buffers[name] is not buffer or not _same(torch, buffer, content)
            for part, name, buffer, content in kept
        )

    try:
        yield changed
    finally:
        for part, name, buffer, content in kept:
            part._buffers[name] = buffer
            with torch.no_grad():
                buffer.copy_(content)


def _same(torch: Any, one: Any, other: Any) -> bool:
    """Whether all values are equal; NaN is itself."""
    return torch.equal(one, other) or bool(((one == other) | (one != one)).all())


def _nothing_changed() -> bool:
    return False
