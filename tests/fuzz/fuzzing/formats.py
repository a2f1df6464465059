"""The formats that are fuzzed: their seeds, and what is done to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from fuzzing import alarm
from fuzzing.draft import Fault, Seed, to_any, to_main
from fuzzing.faults import (
    archives,
    arrays,
    bytewise,
    entries,
    flatbuffers,
    keras_configs,
    onnx_files,
    programs,
    saved_models,
    tables,
    xml_files,
)

SEEDS = Path(__file__).parents[1] / "seeds"


@dataclass(frozen=True)
class Format:
    """``structured`` are faults of what the bytes mean; those of bytes are the same for all."""

    name: str
    structured: tuple[Fault, ...]
    make_seeds: Callable[[], tuple[Seed, ...]]

    @cached_property
    def seeds(self) -> tuple[Seed, ...]:
        return self.make_seeds()

    @cached_property
    def bytewise(self) -> tuple[Fault, ...]:
        return bytewise.bytewise(self.seeds)


def _files(form: str, suffix: str) -> Callable[[], tuple[Seed, ...]]:
    """One seed for each file of the suffix; where that is in a folder, with all beside it."""

    def make() -> tuple[Seed, ...]:
        made = []
        for main in sorted((SEEDS / form).rglob(f"*{suffix}")):
            alone = main.parent == SEEDS / form
            together = [main] if alone else sorted(main.parent.iterdir())
            files = {each.name: each.read_bytes() for each in together}
            made.append(Seed(main.stem, main.name, files))
        return tuple(made)

    return make


def _folders(form: str) -> Callable[[], tuple[Seed, ...]]:
    def make() -> tuple[Seed, ...]:
        return tuple(
            Seed(
                folder.name,
                folder.name,
                {
                    each.relative_to(SEEDS / form).as_posix(): each.read_bytes()
                    for each in sorted(folder.rglob("*"))
                    if each.is_file()
                },
            )
            for folder in sorted((SEEDS / form).iterdir())
        )

    return make


def _tables() -> tuple[Seed, ...]:
    return tuple(
        Seed(path.stem, "pyproject.toml", {"pyproject.toml": path.read_bytes()})
        for path in sorted((SEEDS / "target").glob("*.toml"))
    )


def _entries() -> tuple[Seed, ...]:
    from fuzzing.ways import cache_seeds

    return cache_seeds()


_FORMATS = (
    Format(
        "npz",
        tuple(map(to_main, (*arrays.ARRAYS * 4, *archives.ARCHIVE * 2, archives.bomb))),
        _files("npz", ".npz"),
    ),
    Format("target", tuple(map(to_main, tables.TABLE)), _tables),
    Format("cache", entries.ENTRY, _entries),
    Format("onnx", onnx_files.ONNX, _files("onnx", ".onnx")),
    Format("tflite", tuple(map(to_main, flatbuffers.FLATBUFFER)), _files("tflite", ".tflite")),
    Format(
        "openvino",
        (*map(to_main, xml_files.XML * 3), to_any(bytewise.truncated)),
        _files("openvino", ".xml"),
    ),
    Format("pt2", programs.PROGRAM, _files("pt2", ".pt2")),
    Format("keras", keras_configs.KERAS, _files("keras", ".keras")),
    Format("h5", keras_configs.H5, _files("h5", ".h5")),
    Format("savedmodel", saved_models.SAVED_MODEL, _folders("savedmodel")),
)


@cache
def formats() -> dict[str, Format]:
    """By name, the light ones first."""
    return {each.name: each for each in _FORMATS}


def format_of(name: str) -> Format:
    """One of them, or the fuzzer's own."""
    return Format(name, (), alarm.seeds) if name == "alarm" else formats()[name]
