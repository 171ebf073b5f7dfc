"""Private files: what the service makes on disk is its user's alone, whatever the umask; what exists stays as it is."""

import os
from contextlib import suppress
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def create_folder(path: Path) -> None:
    """Creates a folder and those above it, as far as they are missing."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        with suppress(FileExistsError):
            folder.mkdir(FOLDER_MODE)
            folder.chmod(FOLDER_MODE)  # the umask may have taken bits of the user's own


def create_file(path: Path) -> None:
    """Creates an empty file, unless there is a file.

    SQLite gives the files that it keeps beside a database, such as `-wal`, the mode of the database.
    """
    if not path.exists():
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, FILE_MODE)
        try:
            os.fchmod(descriptor, FILE_MODE)
        finally:
            os.close(descriptor)
