"""Where a mark is written: looked up in the syntax tree of the file that defines what has it."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_Marked = pytest.Item | pytest.Collector
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class _Source:
    """A module, class or function in its file."""

    file: str
    tree: ast.Module
    node: ast.Module | _Definition
    names: Mapping[str, Any]
    """The values of the names of the module."""


def place_of(node: pytest.Item | pytest.Collector, mark: pytest.Mark, word: str = "") -> str:
    """``file:line`` of a mark of the *node*, or of its argument with that name or text.

    Of a mark that is written nowhere in the file the place is that of the definition.
    """
    thing = getattr(node, "obj", None)
    if found := next(_written(mark, list(_sources(thing))), None):
        source, made = found
        return _said(node.config, source.file, _line(made, word))
    if isinstance(node, pytest.Item) and not callable(thing):
        return place_of_test(node)
    return place_of_definition(thing, node)


def place_of_budget(item: pytest.Item, metric: str, target: str | None) -> str:
    """``file:line`` of a limit in a marker of the test; without one, of the test itself.

    As budgets are read: the nearest marker wins, and on one node one that names the target does.
    """
    found = [
        (owner, mark)
        for owner, mark in item.iter_markers_with_node()
        if mark.name == "edge_budget" and metric in mark.kwargs
        if not mark.args or target in mark.args
    ]
    nearest = [each for each in found if each[0] is found[0][0]]
    for owner, mark in sorted(nearest, key=lambda each: not each[1].args):
        return place_of(owner, mark, metric) if isinstance(owner, _Marked) else ""
    return place_of_test(item)


def place_of_test(item: pytest.Item) -> str:
    """``file:line`` of a test; empty for one that is written nowhere."""
    if callable(thing := getattr(item, "obj", None)):
        is_ours = str(getattr(thing, "__module__", "")).startswith("pytest_edgegate.")
        return "" if is_ours else place_of_definition(thing, item)
    file, line, _ = item.reportinfo()
    return _said(item.config, str(file), None if line is None else line + 1)


def place_of_definition(thing: Any, node: pytest.Item | pytest.Collector) -> str:
    """``file:line`` of a function or a class that *node* is or has; of anything else the file."""
    source = next(_sources(thing), None)
    if source is None or isinstance(source.node, ast.Module):
        return _said(node.config, str(node.path), None)
    return _said(node.config, source.file, source.node.lineno)


def _said(config: pytest.Config, file: str, line: int | None) -> str:
    path, root = Path(file), config.rootpath
    short = path.relative_to(root).as_posix() if path.is_relative_to(root) else file
    return short if line is None else f"{short}:{line}"


def _sources(thing: Any) -> Iterator[_Source]:
    """Where a module, a class or a function is defined: of a class also its bases, whose marks
    it has."""
    if inspect.isclass(thing):
        defined: list[Any] = [each for each in thing.__mro__ if each is not object]
    elif isinstance(thing, ModuleType):
        defined = [thing]
    else:
        defined = [inspect.unwrap(thing)] if callable(thing) else []
    for each in defined:
        source = _source(each)
        if source is not None:
            yield source


def _source(thing: Any) -> _Source | None:
    module = (
        thing
        if isinstance(thing, ModuleType)
        else sys.modules.get(getattr(thing, "__module__", ""))
    )
    file = _file(thing) or getattr(module, "__file__", None)
    tree = None if file is None else _tree(file)
    if module is None or file is None or tree is None:
        return None
    if isinstance(thing, ModuleType):
        return _Source(file, tree, tree, vars(module))
    wanted = getattr(thing, "__qualname__", "").replace("<locals>.", "")
    found = [
        node
        for name, node in _definitions(tree)
        if name == wanted and _begins(node) == _first_line(thing)
    ]
    return _Source(file, tree, found[-1], vars(module)) if found else None


def _file(thing: Any) -> str | None:
    code = getattr(thing, "__code__", None)
    return None if code is None else str(code.co_filename)


def _first_line(thing: Any) -> int | None:
    code = getattr(thing, "__code__", None)
    return None if code is None else int(code.co_firstlineno)


def _begins(node: _Definition) -> int | None:
    """The first line of a function, of its decorators too; classes have none when they run."""
    if isinstance(node, ast.ClassDef):
        return None
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


@lru_cache(maxsize=8)
def _tree(file: str) -> ast.Module | None:
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):  # not Python, or no longer the file that was imported
        return None


def _definitions(parent: ast.AST, before: str = "") -> Iterator[tuple[str, _Definition]]:
    """Every function and class by its qualified name, without the words that mark local ones."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, _Definition):
            yield f"{before}{node.name}", node
            yield from _definitions(node, f"{before}{node.name}.")
        else:
            yield from _definitions(node, before)


def _written(mark: pytest.Mark, sources: list[_Source]) -> Iterator[tuple[_Source, ast.expr]]:
    """The expressions that may have made the *mark*, the likeliest first: on a definition, with
    other arguments there (they may be computed), anywhere in the file."""
    own = [
        (source, each)
        for source in sources
        for each in _expressions(source, _written_at(source.node))
        if _name(source, each) == mark.name
    ]
    yield from (found for found in own if _fits(*found, mark))
    yield from own
    for source in sources:
        for each in _expressions(source, [source.tree]):
            if _name(source, each) == mark.name and _fits(source, each, mark):
                yield source, each


def _written_at(node: ast.Module | _Definition) -> Iterator[ast.AST]:
    """The decorators of a definition, and what is assigned to ``pytestmark`` in it."""
    if not isinstance(node, ast.Module):
        yield from node.decorator_list
    if isinstance(node, ast.Module | ast.ClassDef):
        yield from (value for name, value in _assigned(node) if name == "pytestmark")


def _assigned(node: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """The names that a body assigns, with their values."""
    for each in node.body:
        if isinstance(each, ast.Assign):
            targets = each.targets
        elif isinstance(each, ast.AnnAssign | ast.AugAssign):
            targets = [each.target]
        else:
            continue
        if each.value is not None:
            for target in targets:
                yield from _pairs(target, each.value)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for each, part in zip(target.elts, value.elts, strict=False):
            yield from _pairs(each, part)


def _expressions(source: _Source, roots: Iterable[ast.AST]) -> Iterator[ast.expr]:
    """Every expression that may be a mark, in the order of the file; names that the module
    assigns stand for their values, unless they are called."""
    assigned = dict(_assigned(source.tree))
    waiting = list(roots)[::-1]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call | ast.Attribute):
            yield node
        below = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Name) and node.id in assigned and node.id not in seen:
            seen.add(node.id)
            below = [assigned[node.id]]
        elif isinstance(node, ast.Name):
            yield node
        elif isinstance(node, ast.Call) and _name(source, node):
            below = [*node.args, *(each.value for each in node.keywords)]
        waiting += below[::-1]


def _name(source: _Source, made: ast.expr) -> str:
    """The name of the mark that an expression makes, or nothing."""
    called = made.func if isinstance(made, ast.Call) else made
    if isinstance(called, ast.Attribute):
        return called.attr
    known = source.names.get(called.id) if isinstance(called, ast.Name) else None
    return known.name if isinstance(known, pytest.MarkDecorator) else ""


def _fits(source: _Source, made: ast.expr, mark: pytest.Mark) -> bool:
    """Whether an expression can have made just this mark."""
    if isinstance(made, ast.Name):
        known = source.names.get(made.id)
        return isinstance(known, pytest.MarkDecorator) and known.mark is mark
    if not isinstance(made, ast.Call):
        return not mark.args and not mark.kwargs
    given = {each.arg: each.value for each in made.keywords if each.arg is not None}
    is_open = len(given) < len(made.keywords)  # **limits
    if not given.keys() <= mark.kwargs.keys() or not (is_open or len(given) == len(mark.kwargs)):
        return False
    if any(isinstance(each, ast.Starred) for each in made.args):
        return True
    if len(made.args) != len(mark.args):
        return False
    values = [*zip(made.args, mark.args, strict=True)]
    values += [(value, mark.kwargs[name]) for name, value in given.items()]
    return all(_may_be(each, value) for each, value in values)


def _may_be(written: ast.expr, value: object) -> bool:
    """Whether an expression has this value: only constants can be compared."""
    if not isinstance(written, ast.Constant):
        return True
    return type(written.value) is type(value) and written.value == value


def _line(made: ast.expr, word: str) -> int:
    if isinstance(made, ast.Call):
        for each in made.keywords:
            if word and each.arg == word:
                return each.lineno
        for arg in made.args:
            if isinstance(arg, ast.Constant) and str(arg.value) == word:
                return arg.lineno
        return made.func.end_lineno or made.lineno
    return made.end_lineno or made.lineno
