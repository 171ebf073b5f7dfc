"""Objects in buckets: the only place that calls s3fs, gcsfs and adlfs, and that makes keys of what references say."""

import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple

from msgspec import Struct

from taskruns.errors import ResultError
from taskruns.results.errors import InvalidReference, ResultMissing, ResultNotWritten, ResultUnreadable
from taskruns.results.extras import extra
from taskruns.results.streams import Measured, Sink, pieces, spooled_file

# What is sent and fetched at a time: the least that S3 takes for a part of a large object is 5 MiB.
_BLOCK = 16 << 20


class _Library(NamedTuple):
    """What talks to one kind of storage. Its class is called itself: a URL could name any other, or a chain of them."""

    user: str
    module: str
    filesystem: str
    extra: str
    bucket: str = "bucket"


# From gcsfs.core: what gcsfs itself exports asks for the type of a bucket first, by gRPC, which no emulator answers.
_LIBRARIES = {
    "s3": _Library("S3Result", "s3fs", "S3FileSystem", "s3"),
    "gs": _Library("GCSResult", "gcsfs.core", "GCSFileSystem", "gcs"),
    "az": _Library("AzureResult", "adlfs", "AzureBlobFileSystem", "azure", "container"),
}
_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]*")
# The libraries take what follows `?` or `#` for a version, and cut it off.
_REFUSED = re.compile(r"[\x00-\x1f\x7f?#]|::|://|/$")
# Something on the way could read these as another key; so nothing but the caller's own word makes them trusted.
_DOUBTFUL = re.compile(r"[%\\]|//|^/")


class Object(Struct, frozen=True):
    """An object of a storage: `scheme` is s3, gs or az; `options` are for the library, and are shown nowhere."""

    scheme: str
    bucket: str
    key: str
    options: Mapping[str, object] = {}

    @property
    def name(self) -> str:
        """The place, for people."""
        return f"{self.scheme}://{self.bucket}/{self.key}"

    def lies_below(self, scheme: str, bucket: str, prefix: str) -> bool:
        """Whether it is in the bucket, and its key below the prefix: whole names, so `a/b` is not above `a/bc`."""
        below = not prefix or self.key == prefix or self.key.startswith(f"{prefix}/")
        return (self.scheme, self.bucket) == (scheme, bucket) and below and not _DOUBTFUL.search(self.key)

    def exists(self) -> bool:
        """Whether there is an object; raises ResultUnreadable if the storage does not say."""
        try:
            with self._translated(ResultUnreadable, "looked up"):
                return bool(self._filesystem().info(self._path, refresh=True)["type"] == "file")
        except ResultMissing:
            return False

    @contextmanager
    def reading(self) -> Generator[tuple[int, IO[bytes]], None, None]:
        """Opens the object, and yields its size in bytes and itself; raises ResultMissing and ResultUnreadable."""
        with (
            self._translated(ResultUnreadable, "read"),
            self._filesystem().open(self._path, "rb", block_size=_BLOCK, cache_type="readahead") as file,
        ):
            if file.details["type"] != "file":
                raise ResultMissing(f"There is nothing at {self.name}.")
            yield file.size, file

    def write(self, dump: Callable[[Sink], None]) -> Measured:
        """Writes the object, all of it or nothing, and returns what knows its size and digest.

        Raises ResultNotWritten.
        """
        with spooled_file() as written:
            dump(measured := Measured(written))
            written.seek(0)
            with self._translated(ResultNotWritten, "written"):
                target = self._filesystem().open(self._path, "wb", block_size=_BLOCK)
                try:
                    for piece in pieces(written):
                        target.write(piece)
                    target.close()
                except BaseException:
                    # To close it now, as its finalizer would, makes half an object.
                    with suppress(Exception):
                        target.discard()
                    target.closed = True
                    raise
        return measured

    @property
    def _path(self) -> str:
        return f"{self.bucket}/{self.key}"

    def _filesystem(self) -> Any:
        library = _LIBRARIES[self.scheme]
        options: dict[str, object] = {"use_listings_cache": False}
        if self.scheme == "gs" and os.environ.get("STORAGE_EMULATOR_HOST"):
            # Google's own libraries need no credentials for an emulator either; gcsfs would look for some.
            options["token"] = "anon"
        module = extra(library.module, library.extra, library.user)
        return getattr(module, library.filesystem)(**options | dict(self.options))

    @contextmanager
    def _translated(self, error: type[ResultError], done: str) -> Generator[None, None, None]:
        """Raises ours for the library's errors, whose own texts may have credentials: they stay in `__cause__`."""
        try:
            yield
        except ResultError:
            raise
        except FileNotFoundError as missing:
            if error is ResultNotWritten:
                raise error(f"{self.name} cannot be written: there is no such bucket or container.") from missing
            raise ResultMissing(f"There is nothing at {self.name}.") from missing
        except Exception as cause:
            raise error(f"{self.name} cannot be {done}: {', from '.join(_kinds(cause))}.") from cause


def object_at(scheme: str, bucket: str | None, location: str, options: Mapping[str, object] | None = None) -> Object:
    """Returns the object that a reference names, whether or not there is one: with a key, or with a URL.

    Raises InvalidReference for a URL of another scheme or bucket, and for keys and buckets that the libraries would
    take for something else.
    """
    library, key = _LIBRARIES[scheme], location
    if "://" in location:
        url_scheme, _, rest = location.partition("://")
        named, _, key = rest.partition("/")
        if url_scheme != scheme or bucket not in (None, "", named):
            raise InvalidReference(f"{location!r} does not lie in {scheme}://{bucket or '…'}.")
        bucket = named
    if not bucket or not _BUCKET.fullmatch(bucket):
        raise InvalidReference(f"{bucket!r} is not a name of a {library.bucket}.")
    if not key or _REFUSED.search(key) or {".", ".."} & set(key.split("/")):
        raise InvalidReference(f"{key!r} is not a key that a {library.user} reads.")
    return Object(scheme, bucket, key, options or {})


def _kinds(error: BaseException | None) -> Iterator[str]:
    while error:
        yield type(error).__name__
        error = error.__cause__
