"""A terminal: what stands on it after everything that was written to it."""

from __future__ import annotations

import re
from unicodedata import east_asian_width

_PIECE = re.compile(
    r"\033\[(?P<number>[0-9;?]*)(?P<command>[A-Za-z])|(?P<plain>[^\033])", re.DOTALL
)


class Terminal:
    """Understands what pytest and the drawer write; wraps lines as xterm does."""

    def __init__(self, width: int = 80) -> None:
        self.width = width
        self.written = ""
        self._rows: list[list[str]] = [[]]
        self._row = self._column = 0
        self.wrapped = False

    def write(self, text: str) -> int:
        self.written += text
        for piece in _PIECE.finditer(text):
            if plain := piece["plain"]:
                self._plain(plain)
            else:
                number = int(piece["number"] or 1) if piece["command"] in "ACD" else 0
                self._command(piece["command"], number)
        return len(text)

    def flush(self) -> None:
        return

    @property
    def column(self) -> int:
        return self._column

    @property
    def lines(self) -> list[str]:
        """The rows without the blanks at their ends."""
        return ["".join(row).rstrip() for row in self._rows]

    @property
    def line(self) -> str:
        return self.lines[self._row]

    def _plain(self, letter: str) -> None:
        if letter == "\r":
            self._column = 0
        elif letter == "\n":
            self._column = 0  # the system's driver of terminals puts a \r before it
            self._down()
        else:
            if self._column >= self.width:
                self._column, self.wrapped = 0, True
                self._down()
            row = self._rows[self._row]
            row += " " * (self._column + 1 - len(row))
            row[self._column] = letter
            self._column += 1
            if east_asian_width(letter) in "WF":
                row[self._column :] = [""]
                self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append([])

    def _command(self, command: str, number: int) -> None:
        if command == "K":
            del self._rows[self._row][self._column :]
        elif command == "A":
            self._row = max(self._row - number, 0)
        elif command == "C":
            self._column = min(self._column + number, self.width - 1)
        elif command == "D":
            self._column = max(min(self._column, self.width - 1) - number, 0)
        elif command != "m":
            raise AssertionError(f"a terminal may not know ESC[{command}")
