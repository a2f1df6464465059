"""Commands to type, within the sentences of a remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator

_QUOTED = r"""'[^'\n]*'|"[^"\n]*\""""
_VALUE = r"(?:[^\s,;:)]|[,;:](?=\S))+"
_OPTION = rf"--?[A-Za-z][\w-]*(?:=(?:{_QUOTED}|{_VALUE}))?"
_PLUGIN = rf"-[pnkm] (?:{_QUOTED}|[\w:.\-]*\w)"
_TEST = r"[\w./\-]+\.py(?:::[\w\[\]:.\-]+)?"
_PROSE = r"(?!(?:and|or|if|in|on|to|into|for|as|then|where|again|accepts)\b)"
_WORD = _PROSE + r"[\w./~@=<>!+\[\]\-]*[\w\]/]"
_PYTEST = rf"pytest(?: (?:{_PLUGIN}|{_OPTION}|{_QUOTED}|{_TEST}))+"
_OTHERS = (
    r"(?:sudo )?(?:python3? -m pip install|pip install|apt-get install|git checkout|git lfs|"
    rf"python3? -m pytest_edgegate)(?: (?:{_OPTION}|{_QUOTED}|{_WORD}))+"
)
_COMMAND = re.compile(rf"(?<![\w/.\-'\"])(?>{_PYTEST}|{_OTHERS})(?! ?\.\.\.)")
"""One with ``...`` in it is not all of a command."""
_HALF = "--ours"
"""The end of what only looks like a command: the sentence names its other half."""


def parts_of(sentence: str) -> Iterator[tuple[str, bool]]:
    """The parts of a sentence in order, and whether each is a command."""
    end = 0
    for found in _COMMAND.finditer(sentence):
        if found[0].endswith(_HALF):
            continue
        if found.start() > end:
            yield sentence[end : found.start()], False
        yield found[0], True
        end = found.end()
    if end < len(sentence):
        yield sentence[end:], False
