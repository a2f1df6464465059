"""Writes what the reference pages say of the code: ``python docs/make_reference.py``.

A page is prose with regions between ``<!-- made: NAME -->`` and ``<!-- end -->``; only the regions
are written. ``--check`` writes nothing and ends with 1 where a page is not what would be written.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

DOCS = Path(__file__).parent
COMMAND = "python docs/make_reference.py"
_REGION = re.compile(r"(<!-- made: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

_MEANINGS = {
    "accuracy_drop": "the reference's metric minus the artifact's (\"worse by\", whatever the "
    "direction of the metric); 0.01 is one percentage point",
    "accuracy_drop_relative": "the same, divided by the reference's metric",
    "accuracy_min": "the artifact's metric itself: a floor, or a ceiling where lower is better",
    "size": "bytes of all files that ship",
    "compression": "bytes of the float export in the same format, divided by the artifact's",
    "parameters": "weights of the file",
    "macs": "multiply-accumulates of one inference",
    "latency_p50": "the median time of single inferences; see [Latency](latency.md)",
    "latency_p95": "the time that 95 % of single inferences keep to",
    "latency_p99": "the time that 99 % of single inferences keep to",
    "latency_first": "the first inference after opening the file",
    "latency_ratio": "the artifact's time divided by the float export's, interleaved on this host",
    "parity_agreement": "share of samples with the same top-1 in every runtime of the target",
    "parity_within_lsb": "share of elements within one output step, of the worst output or group "
    "of channels",
    "parity_lsb": "largest difference between the runtimes, in output steps",
    "parity_abs": "largest difference between the runtimes, in real values",
    "export_error": "a float file against the model, of an int8 artifact the model's float export "
    "in its format: largest difference of any output",
    "max_error": "the artifact itself against the model, whatever its dtype: largest difference of "
    "any output",
    "sqnr_db": "the artifact against the model: signal to noise of the worst output or group of "
    "channels",
    "memory": "peak memory for tensors (the arena)",
    "flash": "bytes in the flash memory of the device",
    "mapped_ops": "share of operators that run on the accelerator",
    "streamed_bytes": "parameters that are not cached on the chip",
    "accuracy_regression": "the accepted artifact's metric minus this one's, sample by sample",
    "size_regression": "this artifact's bytes divided by those of the accepted one",
    "latency_regression": "this artifact's time divided by the accepted one's, interleaved",
}
"""What each budget reads as; a new budget needs a line here."""

_EXAMPLES = {
    "points": "0.01",
    "bytes": '"120 kB"',
    "s": '"6 ms"',
    "count": '"1.2 M"',
    "dB": '"20 dB"',
    "steps": "1",
    "value": "0.001",
    "metric": "0.95",
}
_RATIOS = {"at most": "1.02", "at least": "0.99"}
_OTHER_EXAMPLES = {"accuracy_drop_relative": "0.01", "latency_ratio": "0.8", "compression": "2"}
_RULES = {
    "interval": "by its interval and the policy",
    "exact": "exactly",
    "latency": "by its interval",
}

_ARTIFACT = {
    "path": "the file that a runtime opens",
    "format": "`litert`, `onnx`, `openvino`, or a format of another package",
    "files": "every file that ships, `path` included",
    "size_bytes": "their total size",
    "sha256": "the digest of `path`",
    "recipe": "the steps, with those that the gate has added",
    "target": "the name of the target that it was made for",
    "cached": "whether it came from the cache",
    "compiled": "what a compiler of the target made of it, or None",
    "provenance": "facts about how it was made, the same as in the JSON report; empty for a "
    "third-party file",
}
"""The fields that have no text of their own in the code."""
_INTERNAL = ("select", "copy")


@dataclass
class Recorder:
    """Stands for pytest's parser: keeps what the plugin adds."""

    options: dict[str, Mapping[str, Any]]
    keys: dict[str, tuple[str, str, Any]]

    def getgroup(self, *_: Any, **__: Any) -> Recorder:
        return self

    def addoption(self, name: str, **given: Any) -> None:
        self.options[name] = given

    def addini(
        self, name: str, text: str, kind: str = "string", default: Any = None, **given: Any
    ) -> None:
        self.keys[name] = (given.get("help", text), given.get("type", kind), default)

    def register(self, plugin: Any, name: str) -> None:
        """Stands for the plugin manager: a report that is registered adds its options, too."""
        if hasattr(plugin, "pytest_addoption"):
            plugin.pytest_addoption(parser=self)


def recorded() -> Recorder:
    """The options and ini keys of the plugin."""
    from pytest_edgegate import plugin

    found = Recorder({}, {})
    plugin.pytest_addoption(found, found)  # type: ignore[arg-type]
    return found


def options() -> Iterator[str]:
    """Options that last have an ini key of the same name."""
    found = recorded()
    rows = [
        (spelt(name, given), f"`{key_of(name)}`", given["help"])
        for name, given in found.options.items()
        if key_of(name) in found.keys
    ]
    yield from table(("option", "ini key", "meaning"), rows)


def actions() -> Iterator[str]:
    found = recorded()
    rows = [
        (spelt(name, given), given["help"])
        for name, given in found.options.items()
        if key_of(name) not in found.keys
    ]
    yield from table(("option", "meaning"), rows)


def ini_keys() -> Iterator[str]:
    """The keys that have no option."""
    found = recorded()
    mine = {key_of(name) for name in found.options}
    rows = [
        (f"`{name}`", _KINDS.get(kind, kind), default_of(default), without_default(text, default))
        for name, (text, kind, default) in found.keys.items()
        if name not in mine
    ]
    yield from table(("ini key", "value", "default", "meaning"), rows)


_KINDS = {"string": "text", "bool": "`true` or `false`", "linelist": "lines", None: "text"}


def key_of(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def spelt(name: str, given: Mapping[str, Any]) -> str:
    metavar = given.get("metavar")
    if metavar is None:
        return f"`{name}`"
    return f"`{name}[={metavar}]`" if given.get("nargs") == "?" else f"`{name}={metavar}`"


def default_of(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value else ""


def without_default(text: str, default: Any) -> str:
    """The default has a column of its own."""
    return text.removesuffix(f" (default: {default})")


class Seen(Exception):  # noqa: N818 - it only carries a parser
    pass


class ShownParser(ArgumentParser):
    """A parser that is shown instead of used."""

    def parse_args(self, *_: Any, **__: Any) -> NoReturn:
        raise Seen(self)


def commands() -> Iterator[str]:
    """Every command of ``python -m pytest_edgegate`` with its arguments."""
    from pytest_edgegate import __main__ as program

    with patch.object(program, "ArgumentParser", ShownParser):
        try:
            program.main(())
        except Seen as seen:
            yield from lines_of_parser(seen.args[0])


def lines_of_parser(parser: ArgumentParser) -> Iterator[str]:
    nested = [each for each in parser._actions if isinstance(each, _SubParsersAction)]
    for action in nested:
        texts = {each.dest: each.help or "" for each in action._choices_actions}
        for name, child in action.choices.items():
            if not any(isinstance(each, _SubParsersAction) for each in child._actions):
                yield f"### `{child.prog}`\n"
                yield f"{sentence(child.description or texts.get(name, ''))}\n"
                yield from table(("argument", "meaning"), arguments_of(child))
                yield ""
            yield from lines_of_parser(child)


def arguments_of(parser: ArgumentParser) -> Iterator[tuple[str, str]]:
    for each in parser._actions:
        if "--help" in each.option_strings:
            continue
        name = each.option_strings[-1] if each.option_strings else str(each.metavar or each.dest)
        takes = "" if each.nargs == 0 or not each.option_strings else f" {each.metavar or 'VALUE'}"
        yield f"`{name}{takes}`", (each.help or "").replace("%(default)s", str(each.default))


def budgets() -> Iterator[str]:
    from pytest_edgegate.core.budget import BUDGETS

    missing = BUDGETS.keys() - _MEANINGS.keys()
    if missing:
        raise SystemExit(f"{', '.join(missing)}: say what it reads as in _MEANINGS of {__file__}")
    rows = []
    for each in BUDGETS.values():
        example = _EXAMPLES.get(each.unit) or _RATIOS[each.direction]
        example = _OTHER_EXAMPLES.get(each.name, example)
        limit = f"{each.direction} `{example}`"
        rows.append((f"`{each.name}`", limit, _RULES[each.rule], _MEANINGS[each.name]))
    yield from table(("budget", "limit, as an example", "compared", "reads as"), rows)


def targets() -> Iterator[str]:
    """A section for each built-in target: what is measured of it, by what, and what is not."""
    from pytest_edgegate.registry import Registry
    from pytest_edgegate.targets.folder import built_in
    from pytest_edgegate.unmeasurable import unmeasurable

    registry = Registry()
    for name, target in sorted(built_in().items()):
        yield f"### {name}\n\n{target.title}.\n"
        takes = f"{' or '.join(target.formats)} in {', '.join(target.dtypes)}"
        rows = [("takes", takes), ("inputs and outputs", " or ".join(target.io_dtypes) or "any")]
        for form, runtimes in target.runtimes.items():
            rest = f", compared with {', '.join(runtimes[1:])}" if runtimes[1:] else ""
            rows.append((f"runs {form}", f"in {runtimes[0]}{rest}"))
        for tool in dict.fromkeys(target.tools.values()):
            metrics = [f"`{each}`" for each in target.tools if target.tools[each] == tool]
            remedy = registry.get("tool", tool).remedy
            rows.append((f"reported by `{tool}`", f"{', '.join(metrics)} ({remedy})"))
        for reason, lacking in unmeasurable(target).items():
            rows.append(("not measured", f"{', '.join(f'`{each}`' for each in lacking)}: {reason}"))
        rows += [(f"source of {key}", text) for key, text in target.sources.items()]
        yield from table(("", ""), rows)
        yield ""


def measures() -> Iterator[str]:
    """What is run for a budget, as --edge-explain tells it."""
    from pytest_edgegate.core.budget import BUDGETS

    names = {
        "runtime": "the target's first runtime",
        "runtimes": "all runtimes of the target",
        "policy": "in force",
    }
    rows = []
    for each in BUDGETS.values():
        if each.explanation:
            told = each.explanation.format(**names)
            needs = ", ".join(_NEEDS[need] for need in each.needs)
            rows.append((f"`{each.name}`", told, needs))
    yield from table(("budget", "what is measured", "needs"), rows)


_NEEDS = {
    "samples": "evaluation samples",
    "labels": "their labels",
    "reference": "the model under test",
}


def schema() -> Iterator[str]:
    """The keys of the JSON report, a section for each kind of object."""
    path = DOCS.parent / "pytest_edgegate" / "reports" / "report.schema.json"
    whole = json.loads(path.read_text("utf-8"))
    kinds = {"report": whole, **whole["$defs"]}
    for name, each in kinds.items():
        yield f"### {name.replace('_', ' ').capitalize()}\n"
        yield f"{each['description']}\n"
        required = each.get("required", ())
        rows = [
            (
                f"`{key}`",
                type_of(value),
                "always" if key in required else "",
                value.get("description", "") or described(value, whole["$defs"]),
            )
            for key, value in each["properties"].items()
        ]
        yield from table(("key", "value", "present", "meaning"), rows)
        yield ""


def type_of(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name.replace('_', ' ')}](#{name.replace('_', '-')})"
    if "anyOf" in value:
        return " or ".join(map(type_of, value["anyOf"]))
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    kinds = value["type"] if isinstance(value["type"], list) else [value["type"]]
    text = " or ".join(kinds)
    return f"{text} of {type_of(value['items'])}" if "items" in value else text


def described(value: Mapping[str, Any], kinds: Mapping[str, Any]) -> str:
    inner = value.get("items", value)
    name = inner.get("$ref", "").rpartition("/")[2]
    return str(kinds[name]["description"]) if name else ""


def fixtures() -> Iterator[str]:
    """Those that a test may name, in the order of the file: first what a user supplies."""
    from pytest_edgegate import fixtures as module

    text = inspect.getsource(module)
    rows = []
    for each in ast.parse(text).body:
        if isinstance(each, ast.FunctionDef) and each.name.startswith("edge_"):
            gives = ast.unparse(each.returns) if each.returns else "Any"
            rows.append((f"`{each.name}`", f"`{gives}`", one_line(ast.get_docstring(each) or "")))
    yield from table(("fixture", "value", "meaning"), rows)


def marks() -> Iterator[str]:
    from pytest_edgegate.settings.options import MARKERS

    rows = [
        (f"`{form}`", text.strip())
        for form, _, text in (each.partition(":") for each in MARKERS.values())
    ]
    yield from table(("mark", "meaning"), rows)


def steps() -> Iterator[str]:
    from pytest_edgegate.core.recipe import STEPS

    for each in STEPS:
        yield from entry(each)


def values() -> Iterator[str]:
    from pytest_edgegate import EdgeData, EdgeTraining, Metric

    for each in (EdgeData, Metric, EdgeTraining):
        yield from entry(each)


def helpers() -> Iterator[str]:
    from pytest_edgegate import EdgeGate

    yield f"{paragraphs(EdgeGate)}\n"
    for name, each in vars(EdgeGate).items():
        if not name.startswith("_") and inspect.isfunction(each):
            yield f"### `edge_gate.{name}`\n"
            yield from code(f"edge_gate.{name}({shown_parameters(inspect.signature(each))})")
            yield f"{paragraphs(each)}\n"


def artifact() -> Iterator[str]:
    from pytest_edgegate import Artifact

    texts = {**attribute_texts(Artifact), **_ARTIFACT}
    rows = [
        (f"`{each.name}`", f"`{each.type}`", texts[each.name])
        for each in fields(Artifact)
        if each.name not in _INTERNAL
    ]
    yield from table(("attribute", "type", "content"), rows)


def hooks() -> Iterator[str]:
    from pytest_edgegate import hookspecs

    for name, each in vars(hookspecs).items():
        if name.startswith("pytest_"):
            yield f"### `{name}`\n"
            yield from code(f"{name}({', '.join(inspect.signature(each).parameters)})")
            yield f"{paragraphs(each)}\n"


def kinds() -> Iterator[str]:
    from pytest_edgegate.registry import KINDS

    yield from table(
        ("kind", "group of entry points"),
        ((f"`{kind}`", f"`{group}`") for kind, group in KINDS.items()),
    )


def others() -> Iterator[str]:
    """The rest of what ``from pytest_edgegate import ...`` gives."""
    import pytest_edgegate

    told = {"EdgeData", "Metric", "EdgeTraining", "EdgeGate", "Artifact"}
    rows = []
    for name in sorted(pytest_edgegate.__all__):
        each = getattr(pytest_edgegate, name)
        if name not in told and not hasattr(each, "stage"):
            rows.append((f"`{name}`", meaning_of(each)))
    yield from table(("name", "meaning"), rows)


def meaning_of(thing: Any) -> str:
    """The first sentence or two of a class or a function."""
    if isinstance(thing, type) and issubclass(thing, Enum):  # an Enum has a text of Python's own
        return "one of " + ", ".join(f"`{each.value}`" for each in thing)
    return one_line((inspect.getdoc(thing) or "").partition("\n\n")[0])


def entry(kind: type[Any]) -> Iterator[str]:
    yield f"### `{kind.__name__}`\n"
    yield from code(f"{kind.__name__}({', '.join(spelt_fields(kind))})")
    yield f"{paragraphs(kind)}\n"


def spelt_fields(kind: type[Any]) -> Iterator[str]:
    assert is_dataclass(kind)
    keyword_only = False
    for each in fields(kind):
        if each.kw_only and not keyword_only:
            keyword_only = True
            yield "*"
        yield each.name if each.default is MISSING else f"{each.name}={shown(each.default)}"


def shown_parameters(signature: inspect.Signature) -> str:
    parts, keyword_only = [], False
    for each in list(signature.parameters.values())[1:]:
        if each.kind is each.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            parts.append("*")
        prefix = "**" if each.kind is each.VAR_KEYWORD else ""
        default = "" if each.default is each.empty else f"={shown(each.default)}"
        parts.append(f"{prefix}{each.name}{default}")
    return ", ".join(parts)


def shown(value: Any) -> str:
    """As a formatter of code would write it."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def attribute_texts(kind: type[Any]) -> dict[str, str]:
    """The texts below the attributes of a class."""
    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for each, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(each, ast.AnnAssign) and isinstance(after, ast.Expr):
            text = getattr(after.value, "value", None)
            if isinstance(text, str):
                found[ast.unparse(each.target)] = one_line(text)
    return found


def paragraphs(thing: Any) -> str:
    """A docstring as Markdown."""
    return "\n\n".join(
        "\n".join(line.rstrip() for line in part.splitlines()).replace("``", "`")
        for part in (inspect.getdoc(thing) or "").split("\n\n")
    )


def one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}." if text else ""


def code(text: str) -> Iterator[str]:
    yield f"```text\n{text}\n```\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = tuple(head)
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(map(cell, row))} |"


def cell(text: str) -> str:
    return options_as_code(one_line(text)).replace("|", "\\|")


def options_as_code(text: str) -> str:
    """Options in a text of the code, where nothing marks them."""
    return text if "`" in text else re.sub(r"--edge-[a-z-]+[a-z]", r"`\g<0>`", text)


REGIONS: dict[str, Callable[[], Iterator[str]]] = {
    "options": options,
    "actions": actions,
    "ini-keys": ini_keys,
    "commands": commands,
    "budgets": budgets,
    "measures": measures,
    "schema": schema,
    "fixtures": fixtures,
    "marks": marks,
    "steps": steps,
    "values": values,
    "helpers": helpers,
    "artifact": artifact,
    "hooks": hooks,
    "kinds": kinds,
    "others": others,
    "targets": targets,
}


def written(page: Path) -> str:
    """The page as it has to be."""

    def region(found: re.Match[str]) -> str:
        content = "\n".join(REGIONS[found[2]]()).strip()
        return f"{found[1]}{content}\n{found[3]}"

    return _REGION.sub(region, page.read_text("utf-8"))


def pages() -> list[Path]:
    """The pages that have regions."""
    return [each for each in sorted(DOCS.glob("*.md")) if _REGION.search(each.read_text("utf-8"))]


def main() -> int:
    stale = [each for each in pages() if written(each) != each.read_text("utf-8")]
    if "--check" in sys.argv[1:]:
        for each in stale:
            print(f"docs/{each.name} is not what the code says: {COMMAND}")
        return 1 if stale else 0
    for each in stale:
        each.write_text(written(each), "utf-8")
        print(f"docs/{each.name} is written")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(DOCS.parent))  # the package beside this file, whichever is installed
    sys.exit(main())
