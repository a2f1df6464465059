"""Vela's summary of a network and its table of operators, both CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.backends.fused_names import without_fused
from pytest_edgegate.core.errors import CompressionError

_KIB = 1024
_BYTES = {
    "sram": "sram_memory_used",
    "dram": "dram_memory_used",
    "on_chip_flash": "on_chip_flash_memory_used",
    "off_chip_flash": "off_chip_flash_memory_used",
}
"""The columns of the summary in KiB."""
_CYCLES = {
    "the NPU": "cycles_npu",
    "SRAM": "cycles_sram_access",
    "DRAM": "cycles_dram_access",
    "on-chip flash": "cycles_on_chip_flash_access",
    "off-chip flash": "cycles_off_chip_flash_access",
}


@dataclass(frozen=True)
class Layer:
    """One operator as Vela has rewritten it."""

    kind: str
    name: str
    cycles: int
    sram: int
    """Bytes of the tensors that are alive while it runs."""

    def __str__(self) -> str:
        return f"{self.kind} ({without_fused(self.name)})"


@dataclass(frozen=True)
class Summary:
    """The figures of one network. Memory in bytes."""

    system_config: str
    memory_mode: str
    clock: float
    """Hz."""
    seconds: float
    """The time of one inference on the NPU."""
    cycles: int
    cycles_of: Mapping[str, int]
    """The cycles in which each part is busy: they overlap."""
    sram: float
    dram: float
    on_chip_flash: float
    off_chip_flash: float
    layers: Sequence[Layer] = ()

    @property
    def flash(self) -> float:
        return self.on_chip_flash + self.off_chip_flash

    @property
    def place(self) -> str:
        """The memories that the figures hold for."""
        return f"{self.system_config}, {self.memory_mode}"

    @classmethod
    def read(cls, folder: Path) -> Summary:
        """The summary that Vela has left in *folder*.

        Raises CompressionError where there is none, or not as this project knows it.
        """
        try:
            [row] = _rows(next(folder.glob("*_summary_*.csv")))
            memory = {name: float(row[column]) * _KIB for name, column in _BYTES.items()}
            found = cls(
                row["system_config"],
                row["memory_mode"],
                float(row["core_clock"]),
                float(row["inference_time"]),
                int(row["cycles_total"]),
                {part: int(row[column]) for part, column in _CYCLES.items()},
                layers=_layers(folder),
                **{name: int(size) if size.is_integer() else size for name, size in memory.items()},
            )
        except StopIteration:
            raise CompressionError("vela left no summary", _AGAIN) from None
        except (KeyError, ValueError, TypeError, OSError) as error:
            raise _unreadable(error) from error
        if not all(map(math.isfinite, (found.seconds, *memory.values()))):
            raise _unreadable(ValueError("a figure is not finite"))
        return found


_AGAIN = "run vela on the file by hand to see why; pip install 'pytest-edgegate[vela]' upgrades it"


def _unreadable(error: Exception) -> CompressionError:
    said = f"{type(error).__name__}: {error}"
    return CompressionError(f"vela's summary can't be read ({said})", _AGAIN)


def _layers(folder: Path) -> tuple[Layer, ...]:
    """The operators that Vela has scheduled; none where it has left no table."""
    path = next(folder.glob("*_per-layer.csv"), None)
    return () if path is None else tuple(map(_layer, _rows(path)))


def _layer(row: Mapping[str, str]) -> Layer:
    cycles, sram = int(row["Op Cycles"]), int(row["Staging Usage"])
    return Layer(row["Original Operator"], row["Name"], cycles, sram)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8", errors="replace") as lines:
        return list(csv.DictReader(lines))
