"""Spells figures uniformly in messages, tables and explanations."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_edgegate.core.budget import kind_of

_FORMATS = {
    "keras": "a Keras model (.keras)",
    "litert": "a .tflite file",
    "onnx": "an .onnx file",
    "openvino": "an OpenVINO .xml file",
    "savedmodel": "a SavedModel folder",
    "torch": "a torch module (.pt2)",
}


def spell_model(form: str) -> str:
    """A model of a format, with the article: ``an onnx model``."""
    return f"{'an' if form[:1] in tuple('aeio') else 'a'} {form} model"


def spell_format(form: str) -> str:
    """A format as users write it, with the article: ``an .onnx file``."""
    return _FORMATS.get(form, spell_model(form))


def spell_choice(names: Sequence[str]) -> str:
    """``a, b or c``."""
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def spell_value(metric: str, value: float) -> str:
    """A figure with its metric's unit, as a person would write it."""
    kind = kind_of(metric)
    unit = kind.unit
    if unit == "bytes":
        return spell_bytes(value)
    if unit == "s":
        return spell_time(value)
    if unit in ("count", "steps", "offenders"):
        return f"{int(value):,}"
    if unit == "dB":
        return f"{value:.1f} dB"
    if kind.is_factor:
        return f"{value:.2f}x"
    return _plain(value)


def spell_time(seconds: float) -> str:
    """Seconds as s, ms or us, with three digits."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"


def _plain(value: float) -> str:
    """Four decimals without trailing zeros; small values with four significant digits."""
    if abs(value) < 1e-3 and value:
        return f"{value:.4g}"
    text = f"{value:.4f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def spell_bytes(value: float) -> str:
    """Bytes below 10,000, then kB, MB and GB (powers of 1,000)."""
    if value < 10_000:
        return f"{int(value):,} B"
    if value < 10_000_000:
        return f"{value / 1e3:,.1f} kB"
    if value < 10_000_000_000:
        return f"{value / 1e6:,.1f} MB"
    return f"{value / 1e9:,.1f} GB"


def spell_interval(metric: str, low: float | None, high: float | None) -> str:
    """``[low, high]``, or an empty string."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{spell_value(metric, low)}, {spell_value(metric, high)}]"


def spell_pair(metric: str, value: float, limit: float) -> tuple[str, str]:
    """A figure and its limit, with all digits if they differ but would round alike."""
    if not math.isfinite(value):
        return "NaN or Inf", spell_value(metric, limit)
    texts = spell_value(metric, value), spell_value(metric, limit)
    if texts[0] != texts[1] or float(value) == float(limit):
        return texts
    return repr(_bare(value)), repr(_bare(limit))


def _bare(value: float) -> float | int:
    """A Python number, an integer if whole: numpy's own repr includes its type."""
    return int(value) if float(value).is_integer() else float(value)
