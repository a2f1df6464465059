"""The budgets that users mean by a word that is no budget: its family, or what others call it."""

from __future__ import annotations

from collections.abc import Collection

_USUAL = {
    "accuracy": ("accuracy_drop", "accuracy_min"),
    "latency": ("latency_p95", "latency_ratio"),
    "parity": ("parity_agreement", "parity_abs"),
    "regression": ("accuracy_regression", "size_regression", "latency_regression"),
}
"""The first word of several budgets, or the last: those that are set most often."""
_CALLED = {
    **dict.fromkeys(
        ("acc", "top1", "top5", "miou", "map", "map50", "auc", "f1", "metric", "score"), "accuracy"
    ),
    **dict.fromkeys(("time", "speed", "runtime", "inference", "fps", "throughput"), "latency"),
    **dict.fromkeys(("delegated", "delegate", "accelerated", "mapped"), "mapped_ops"),
    "speedup": "latency_ratio",
    **dict.fromkeys(("flops", "mflops", "gflops", "madds"), "macs"),
    **dict.fromkeys(("params", "weights"), "parameters"),
    **dict.fromkeys(("ram", "sram", "arena"), "memory"),
    **dict.fromkeys(("rom", "nvm"), "flash"),
    **dict.fromkeys(("bytes", "filesize", "kb", "mb"), "size"),
    **dict.fromkeys(("snr", "psnr", "sqnr"), "sqnr_db"),
    **dict.fromkeys(("agree", "equal", "consistency"), "parity"),
}
"""Words of other tools, and the budget or the family that they are."""


def meant_budgets(name: str, known: Collection[str]) -> tuple[str, ...]:
    """The budgets that an unknown name stands for; none where it is misspelt, or says nothing.

    A bound that is spelt in front (``min_accuracy``) is the budget with the words in its order.
    """
    words = name.lower().replace("-", "_").split("_")
    turned = tuple(each for each in known if sorted(each.split("_")) == sorted(words))
    if turned:
        return turned
    told = (_CALLED.get(word, word) for word in reversed(words))  # weights_bytes are bytes
    found = next((word for word in told if word in _USUAL or word in _CALLED.values()), "")
    if not found or _is_near_another(name, known):
        return ()
    return tuple(each for each in _USUAL.get(found, (found,)) if each in known)


def _is_near_another(name: str, known: Collection[str]) -> bool:
    """Whether a name is a misspelt budget, or one with a word too many or too few in front:
    ``accuracy_drp``, ``max_size``, ``drop``."""
    if name in _USUAL:
        return False
    from difflib import get_close_matches

    partly = any(name.endswith(f"_{each}") or each.endswith(f"_{name}") for each in known)
    return partly or bool(get_close_matches(name, known, n=1, cutoff=_TYPING_ERROR))


_TYPING_ERROR = 0.85
"""The similarity (by ``difflib``) from which on a name is another one, misspelt."""
