"""Tells which packages are imported meanwhile: a framework takes seconds, in silence."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    ExtensionFileLoader,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import ModuleType
from typing import Any, Protocol

Around = Callable[[str], AbstractContextManager[None]]
"""Called with the name of a package, around its import."""


_OF_ONE_MODULE = (SourceFileLoader, SourcelessFileLoader, ExtensionFileLoader)
"""Loaders that are made for each module, so that changing one changes nothing for another."""


class _Executes(Protocol):
    def __call__(self, module: ModuleType) -> None: ...


class ImportsTold(MetaPathFinder):
    """Finds nothing itself: it surrounds the first import of a package, if no other one causes it.

    The standard library and imports by other threads are left out.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        self._thread = threading.get_ident()
        self._busy = False

    def begin(self) -> None:
        sys.meta_path.insert(0, self)

    def end(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if "." in name or self._busy or name in sys.stdlib_module_names:
            return None
        if threading.get_ident() != self._thread:
            return None
        spec = self._found(name, path, target)
        loader: Any = None if spec is None else spec.loader
        if isinstance(loader, _OF_ONE_MODULE):
            loader.exec_module = self._told(name, loader.exec_module)  # type: ignore[method-assign]
        return spec

    def _found(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        others: list[Any] = [each for each in sys.meta_path if each is not self]
        for each in others:
            find = getattr(each, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(name, path, target)
            if spec is not None:
                return spec
        return None

    def _told(self, name: str, execute: _Executes) -> _Executes:
        def exec_module(module: ModuleType) -> None:
            self._busy = True
            try:
                with self._around(name):
                    execute(module)
            finally:
                self._busy = False

        return exec_module
