"""The folder of the ini key ``edge_accepted``: the accepted files themselves, by their digests.

Each artifact has a folder of its own under its digest, made for Git LFS: nothing in it changes.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from pytest_edgegate.core.digests import files_digest
from pytest_edgegate.core.errors import StorageError
from pytest_edgegate.storage.layout import KEY
from pytest_edgegate.storage.removal import remove

_MAIN = "main.txt"
"""The name of the file that a runtime opens, where an artifact has several."""


class AcceptedFiles:
    """The copies in one folder, which is created for the first of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, digest: str) -> Path | None:
        """The file that a runtime opens; None where the artifact is not here."""
        inside = self.folder / digest
        if not KEY.fullmatch(digest) or inside.is_symlink() or not inside.is_dir():
            return None
        found = {each.name: each for each in inside.iterdir()}
        if _MAIN not in found:
            return next(iter(found.values())) if len(found) == 1 else None
        return found.get(found[_MAIN].read_text("utf-8").strip())

    def put(self, digest: str, main: Path, files: Sequence[Path]) -> bool:
        """Copies an artifact; *files*: all of it, in the order that its digest is over.

        False where the files are gone, or their bytes no longer those of the digest. Raises
        StorageError.
        """
        at = self.folder / digest
        if at.is_dir():
            return True
        if not all(each.is_file() for each in files) or files_digest(files) != digest:
            return False
        scratch = self.folder / f".edgegate-{secrets.token_hex(4)}"
        try:
            scratch.mkdir(parents=True)
            for each in files:
                name = each.relative_to(main.parent) if each.is_relative_to(main.parent) else None
                to = scratch / (name or each.name)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(each, to)
            if len(files) > 1:
                (scratch / _MAIN).write_text(f"{main.name}\n", "utf-8")
            os.rename(scratch, at)
        except OSError as error:
            raise StorageError(
                f"the accepted file can't be copied to {at}: {error}",
                "make the folder writable, or choose another: ini edge_accepted",
            ) from error
        finally:
            remove(scratch)
        return True
