"""The folders of flow runs in the results folder: whose they are, what they take, and how they are removed.

Only what lies in a folder that is named by the id of a flow run is counted or removed, and no symlink is followed.
"""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct

from taskruns import settings
from taskruns.errors import ResultError
from taskruns.results.files import file_at, write_file
from taskruns.results.streams import Sink

_MARK = "=service.json"
"""Names the service of a flow run. No result has this name: where a template gives `=`, two digits follow."""
_MARK_BYTES = 64 * 1024


class _Mark(Struct, frozen=True):
    url: str


_decode_mark = msgspec.json.Decoder(_Mark).decode


class ResultFolder(Struct, frozen=True, kw_only=True):
    """The folder with the results of a flow run."""

    flow_run_id: UUID
    path: Path
    service: str | None
    """The URL of the service that the flow run was reported to; None if the folder does not say."""
    files: int
    size: int
    """How many bytes the results have."""
    written: datetime
    """When something was last written there, in UTC."""

    def remove(self) -> None:
        """Removes the folder with all that is in it. Of a symlink in it, the link is removed.

        Raises:
            OSError: If it cannot be removed, as where it is a symlink itself by now.
        """
        shutil.rmtree(self.path)


def mark(flow_run_id: UUID, url: str) -> None:
    """Notes in the folder of a flow run which service it is reported to.

    Raises:
        ResultNotWritten: If the folder cannot be written.
    """

    def dump(sink: Sink) -> None:
        sink.write(msgspec.json.encode(_Mark(url)))

    write_file(settings.results_folder() / str(flow_run_id) / _MARK, dump)


def result_folder(flow_run_id: UUID) -> ResultFolder | None:
    """The folder of a flow run in the results folder; None if there is none.

    Raises:
        OSError: If it cannot be read.
    """
    path = settings.results_folder() / str(flow_run_id)
    return _measured(flow_run_id, path) if path.is_dir() and not path.is_symlink() else None


def result_folders() -> Iterator[ResultFolder]:
    """Yields the folders of flow runs in the results folder; none if there is no results folder.

    Raises:
        OSError: If they cannot be read.
    """
    try:
        entries = os.scandir(settings.results_folder())
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            flow_run_id = _flow_run_id(entry.name)
            if flow_run_id is not None and entry.is_dir(follow_symlinks=False):
                yield _measured(flow_run_id, Path(entry.path))


def _flow_run_id(name: str) -> UUID | None:
    try:
        flow_run_id = UUID(name)
    except ValueError:
        return None
    return flow_run_id if str(flow_run_id) == name else None


def _measured(flow_run_id: UUID, path: Path) -> ResultFolder:
    files = size = 0
    written = path.lstat().st_mtime
    for folder, _, names in os.walk(path, onerror=_raise):
        for name in names:
            try:
                status = Path(folder, name).lstat()
            except FileNotFoundError:
                continue  # a result gets its name when it is written
            written = max(written, status.st_mtime)
            if name != _MARK:
                files += 1
                size += status.st_size
    return ResultFolder(
        flow_run_id=flow_run_id,
        path=path,
        service=_service_of(path),
        files=files,
        size=size,
        written=datetime.fromtimestamp(written, UTC),
    )


def _raise(error: OSError) -> None:
    raise error


def _service_of(path: Path) -> str | None:
    try:
        with file_at(str(path), _MARK).reading() as (_, file):
            return _decode_mark(file.read(_MARK_BYTES)).url
    except (ResultError, OSError, ValueError):
        return None
