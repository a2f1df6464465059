"""A process that runs programs one after the other, each with names of its own.

Each line of its standard input is a program and its arguments. Each line of the answer is what the
program has printed. A program that fails ends the process.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import warnings


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print past Python is no answer
    for line in sys.stdin:
        program, arguments, strict = json.loads(line)
        sys.argv = ["program", *arguments]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            if strict:
                warnings.simplefilter("error")
            exec(program, {"__name__": "__main__"})
        answers.write(json.dumps(printed.getvalue()) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
