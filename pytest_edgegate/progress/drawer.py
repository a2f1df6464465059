"""A process of its own that draws the running clock of a test on the terminal.

A thread can't: a converter that holds the interpreter's lock for a minute would stop it. It is
started as a script and imports little, so that it is there after some 20 ms. Its stdin receives
one message a line: a state as JSON, or ``null``, after which the line is erased and a byte is
written to stderr.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PATIENCE = 1.0
"""Seconds of a phase of a test before anything is drawn: shorter work needs none."""
INTERVAL = 0.2
"""Seconds between two drawings, at least."""
CLOCK = 1.0
"""Seconds between two drawings, at most."""
_WIDTH = 20
_NARROW = 24
"""Columns beside the name of the test, below which the line beneath it is used."""

State = Mapping[str, Any]
"""``begun``: the beginning of the phase; ``since``: that of the stage; ``what``; ``done`` and
``total`` of what is counted; ``column`` of the cursor. Times are those of ``time.monotonic``."""


class Drawing:
    """What is on the screen: nothing, or a line that the cursor stands before."""

    def __init__(self, write: Callable[[str], None], width: Callable[[], int]) -> None:
        self._write = write
        self._width = width
        self._state: State | None = None
        self._erase = ""
        self._drawn = 0.0

    def show(self, state: State, now: float) -> None:
        """Takes a new state, which is drawn at once or at the next tick."""
        self._state = state
        if now - self._drawn >= INTERVAL:
            self.tick(now)

    def tick(self, now: float) -> None:
        state = self._state
        if state is None or now - state["begun"] < PATIENCE:
            return
        self._drawn = now
        width, column = self._width(), state["column"]
        column = column % width
        room, text = width - column - 1, line(state, now)
        erased, self._erase = self._erase, ""
        if room >= _NARROW or not column:
            shown = cut(f" {text}", room)
            self._write(f"{erased}{shown}\033[K\033[{cells(shown)}D")
            self._erase = "\033[K"
        else:
            back = f"\r\033[A\033[{column}C"
            shown = cut(f" {text}", width - 1)
            self._write(f"{erased}\n\r{shown}\033[K{back}")
            self._erase = f"\n\r\033[K{back}"

    def clear(self) -> None:
        """Restores the line as it was."""
        self._state = None
        if self._erase:
            self._write(self._erase)
            self._erase = ""

    def due(self, now: float) -> float | None:
        """The seconds until the next tick; None if nothing runs."""
        if self._state is None:
            return None
        last = max(self._drawn, self._state["begun"] + PATIENCE - CLOCK)
        return max(float(last) + CLOCK - now, 0.0)


def line(state: State, now: float) -> str:
    """``12 s: [####      ] 40 of 200 calibration samples; 30 s left``: the clock first, so that it
    shows in little room."""
    seconds = now - state["since"]
    what = state["what"]
    if state.get("done") is not None:
        what = bar(what, state["done"], state.get("total"), seconds)
    return f"{spelled(seconds)}: {what}"


def spelled(seconds: float) -> str:
    """``7 s``, ``2 min 05 s``."""
    whole = max(int(seconds), 0)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"


def bar(what: str, done: float, total: float | None, elapsed: float) -> str:
    """``[####      ] 3,200 of 10,000 m.tflite in litert-xnnpack, samples; 12 s left``."""
    if not total:
        return f"{done:,.0f} {what}" if done else what
    share = min(done / total, 1.0)
    full = round(share * _WIDTH)
    left = f"; {elapsed * (1 - share) / share:.0f} s left" if share > 0.02 else ""
    drawn = f"[{'#' * full}{' ' * (_WIDTH - full)}]"
    return f"{drawn} {done:,.0f} of {total:,.0f} {what}{left}"


def cells(text: str) -> int:
    """The columns that a text takes on a terminal."""
    return sum(map(_cells, text))


def _cells(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def cut(text: str, room: int) -> str:
    """The text in *room* columns, without what a terminal could take for a command."""
    kept, used = "", 0
    for each in text:
        letter = each if each.isprintable() else "?"
        used += _cells(letter)
        if used > room:
            break
        kept += letter
    return kept


def columns(screen: int = 1) -> int:
    """The width of the terminal, as it is now."""
    try:
        real = os.get_terminal_size(screen).columns
    except OSError:
        real = 0
    said = os.environ.get("COLUMNS", "")
    asked = int(said) if said.isascii() and said.isdigit() else 0
    return min(filter(None, (real, asked)), default=80)


def among(folder: Path, column: int) -> State | None:
    """The state of the workers of pytest-xdist together: that of the one that is at it longest."""
    found = []
    for each in folder.glob("*.json"):
        try:
            found.append(json.loads(each.read_text("utf-8")))
        except (OSError, ValueError):  # it is written just now, or gone
            continue
    busy = sorted(filter(None, found), key=lambda each: float(each["since"]))
    if not busy:
        return None
    more = f" (and {len(busy) - 1} more)" if len(busy) > 1 else ""
    return {**busy[0], "what": busy[0]["what"] + more, "column": column}


def _listen(heard: queue.SimpleQueue[str]) -> None:
    for each in sys.stdin:
        heard.put(each)
    heard.put("")


def serve(drawing: Drawing, heard: queue.SimpleQueue[str], folder: Path | None) -> None:
    """Draws until the session closes the pipe, however it ends."""
    parent, column = os.getppid(), None
    while os.getppid() == parent:
        wait = drawing.due(time.monotonic())
        if column is not None:
            wait = 0.5 if wait is None else min(wait, 0.5)
        try:
            message = heard.get(timeout=5.0 if wait is None else wait)
        except queue.Empty:
            message = " "
        if not message:
            break
        now = time.monotonic()
        if not message.strip():
            if column is not None and folder is not None:
                state = among(folder, column)
                drawing.clear() if state is None else drawing.show(state, now)
            else:
                drawing.tick(now)
            continue
        state = json.loads(message)
        column = None if state is None or folder is None else state["column"]
        if state is None:
            drawing.clear()
            os.write(2, b".")
        elif folder is None:
            drawing.show(state, now)
    drawing.clear()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the session
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(heard,), daemon=True).start()

    def write(text: str) -> None:
        os.write(1, text.encode("utf-8", "replace"))

    serve(Drawing(write, columns), heard, folder)


if __name__ == "__main__":
    main()
