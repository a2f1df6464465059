"""A mock of GitHub's program ``gh``: comments, pull requests and runs that lie in a folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["HOSTED"])
COMMENTS = FOLDER / "comments.json"


def main() -> None:
    with (FOLDER / "gh").open("a") as log:
        log.write(json.dumps(sys.argv[1:]) + "\n")
    assert os.environ["GH_TOKEN"] == "a-token"
    command, rest = " ".join(sys.argv[1:3]), sys.argv[3:]
    if sys.argv[1] == "api":
        api(sys.argv[2:])
    elif command == "run list":
        found = [{"databaseId": 7}] if told(rest, "--commit") in finished_commits() else []
        print(selected(found, told(rest, "--jq")))
    elif command == "run download":
        into = Path(told(rest, "--dir"))
        for each in (FOLDER / "previous").glob(told(rest, "--pattern")):
            shutil.copytree(each, into / each.name)
    else:
        assert command in ("auth setup-git", "workflow run"), command


def told(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1]


def finished_commits() -> list[str]:
    path = FOLDER / "finished"
    return path.read_text().split() if path.exists() else []


def selected(content: Any, expression: str) -> str:
    """By the real jq, whose language is that of ``--jq``."""
    ran = subprocess.run(
        ["jq", "--raw-output", expression],
        input=json.dumps(content),
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return ran.stdout.rstrip("\n")


def api(arguments: list[str]) -> None:
    parser = ArgumentParser()
    parser.add_argument("path")
    for flag in ("--paginate", "--silent"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--method")
    parser.add_argument("--jq")
    parser.add_argument("--field", action="append", default=[])
    parser.add_argument("--raw-field", action="append", default=[])
    given = parser.parse_args(arguments)
    answer = answered(given)
    if given.jq:
        print(selected(answer, given.jq))


def answered(given: Namespace) -> Any:
    comments = json.loads(COMMENTS.read_text())
    fields = dict(each.split("=", 1) for each in (*given.field, *given.raw_field))
    if given.path == "repos/owner/project/pulls":
        pulls = json.loads((FOLDER / "pulls.json").read_text())
        return [each for each in pulls if each["head"]["label"] == fields["head"]]
    if given.path == "repos/owner/project/issues/5/comments" and given.method is None:
        return comments
    body = Path(fields["body"].removeprefix("@")).read_text("utf-8")
    bot = {"type": "Bot", "login": "github-actions[bot]"}
    if given.method == "POST":
        assert given.path == "repos/owner/project/issues/5/comments"
        comments.append({"id": len(comments) + 100, "user": bot, "body": body})
    else:
        assert given.method == "PATCH"
        number = int(given.path.removeprefix("repos/owner/project/issues/comments/"))
        next(each for each in comments if each["id"] == number)["body"] = body
    COMMENTS.write_text(json.dumps(comments))
    return {}


main()
