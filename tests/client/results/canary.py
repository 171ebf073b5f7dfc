"""A value that shows whether it was ever unpickled."""

import pickle
from pathlib import Path
from typing import Any

from taskruns.results.streams import Sink


class Canary:
    """Makes a file when it is unpickled, and becomes None."""

    def __init__(self, mark: str) -> None:
        """Will make the file `mark`."""
        self.mark = mark

    def __reduce__(self) -> Any:
        return _sing, (self.mark,)

    @property
    def pickled(self) -> bytes:
        """What executes it when it is unpickled."""
        return pickle.dumps(self)

    def dump(self, sink: Sink) -> None:
        """Writes what executes it."""
        sink.write(self.pickled)

    @property
    def executed(self) -> bool:
        """Whether it was."""
        return Path(self.mark).exists()


def _sing(mark: str) -> None:
    Path(mark).touch()
