"""The storages that keep results as files and objects: each writes values, and reads what lies in it."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, Unpack

from msgspec import Struct
from msgspec.structs import force_setattr

from taskruns import models, settings
from taskruns.errors import ResultError
from taskruns.results import locations
from taskruns.results.errors import InvalidReference, ResultNotWritten
from taskruns.results.files import File, file_at, write_file
from taskruns.results.inline import ConstantResult, PrefectResult
from taskruns.results.loading import load_stored, written_location
from taskruns.results.locations import Fields
from taskruns.results.objects import Object, object_at
from taskruns.results.references import constant
from taskruns.results.serializers import PickleSerializer, Serializer, serializer_of
from taskruns.results.streams import DEFAULT_MAX_BYTES, Measured, Sink
from taskruns.results.trust import check_name
from taskruns.type_aliases import JsonObject

_Dump = Callable[[Sink], None]


class _Keeping(Struct, frozen=True, kw_only=True):
    """What all storages have in common that keep results as files or objects."""

    location: str | None = None
    serializer: Serializer = PickleSerializer()

    def __post_init__(self) -> None:
        """Raises InvalidTemplate if the location is no template."""
        if self.location is not None:
            locations.check(self.location)

    def __repr__(self) -> str:
        """Says what it is, but not its options: they may have credentials."""
        members = {name: getattr(self, name) for name in self.__struct_fields__ if name != "storage_options"}
        shown = ", ".join(f"{name}={value!r}" for name, value in members.items() if value is not None)
        return f"{type(self).__name__}({shown})"

    def write(self, value: object, /, **fields: Unpack[Fields]) -> models.ResultReference:
        """Writes a value to where the template leads with these fields, and returns the reference to it.

        None is not written, since its reference says it all. Raises InvalidTemplate, MissingExtra and ResultNotWritten.
        """
        if value is None:
            return constant(None)
        return self._store(self._location(fields), partial(_dump, self.serializer, value))

    def place(self, **fields: Unpack[Fields]) -> str:
        """Returns where `write` keeps a result with these fields: a path or a URL. Raises InvalidTemplate."""
        return self._place(self._location(fields)).name

    def _location(self, fields: Fields) -> str:
        return locations.render(self.location, self.serializer.extension, fields)

    def read(self, reference: models.ResultReference, /, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Any:
        """Returns the value that a reference names, which has to lie in this storage, and is trusted for that.

        It is read with the serializer that the reference names. `max_bytes` bounds what is read and what it unpacks to.
        Raises InvalidReference for a place elsewhere, and what `load` raises; UntrustedResult only for a pickle that is
        named as something else.
        """
        if isinstance(reference, models.ConstantResult):
            return reference.value
        place = self._own(reference)
        # What it writes itself may have any name that its template gives.
        if reference.serializer != self.serializer.wire() and serializer_of(reference.serializer).runs_code:
            check_name(place)
        return load_stored(reference, place, max_bytes)

    def exists(self, at: models.ResultReference | str, /, **fields: Unpack[Fields]) -> bool:
        """Whether there is a result: where a reference says, or where a template leads with these fields.

        Raises InvalidReference for a place elsewhere, InvalidTemplate, and ResultUnreadable.
        """
        if isinstance(at, models.ConstantResult):
            return True
        if not isinstance(at, str):
            return self._own(at).exists()
        locations.check(at)
        return self._place(locations.render(at, "", fields)).exists()

    def _store(self, location: str, dump: _Dump) -> models.ResultReference:
        raise NotImplementedError

    def _place(self, location: str) -> File | Object:
        raise NotImplementedError

    def _own(self, reference: models.ResultReference) -> File | Object:
        """Returns the place of a reference; raises InvalidReference if it is not in this storage."""
        raise NotImplementedError

    def _members(self, location: str, uri: str, written: Measured) -> JsonObject:
        """Returns what all references have."""
        return {
            "digest": written.digest,
            "location": location,
            "serializer": self.serializer.wire(),
            "size": written.size,
            "uri": uri,
        }


class LocalResult(_Keeping, frozen=True):
    """Stores results as files on this machine or a shared disk: in a folder, by default `~/.taskruns/results`."""

    dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        """Makes the folder absolute, so that a worker elsewhere means the same one."""
        super().__post_init__()
        if self.dir is not None:
            force_setattr(self, "dir", str(Path(self.dir).expanduser().absolute()))

    @property
    def _folder(self) -> Path:
        return settings.results_folder() if self.dir is None else Path(self.dir)

    def _store(self, location: str, dump: _Dump) -> models.ResultReference:
        folder = self._folder
        path = folder / location
        written = write_file(path, dump)
        return models.LocalResult(dir=str(folder), **self._members(location, path.as_uri(), written))

    def _place(self, location: str) -> File:
        return self._checked(file_at(str(self._folder), location))

    def _own(self, reference: models.ResultReference) -> File:
        if not isinstance(reference, models.LocalResult):
            raise InvalidReference(f"{self!r} has no {reference.type}.")
        return self._checked(file_at(reference.dir or str(self._folder), written_location(reference)))

    def _checked(self, place: File) -> File:
        if not place.lies_below(str(self._folder)):
            raise InvalidReference(f"{place.name} does not lie in {self!r}.")
        return place


class _InBucket(_Keeping, frozen=True, kw_only=True):
    """What all storages have in common that keep results as objects.

    `storage_options` are for the filesystem of s3fs, gcsfs or adlfs, such as credentials and endpoints. References do
    not have them: `load` takes what the environment has.
    """

    storage_options: Mapping[str, object] | None = None

    _scheme: ClassVar[str]
    _member: ClassVar[str] = "bucket"
    _model: ClassVar[type[models.S3Result | models.GCSResult | models.AzureResult]]

    def __post_init__(self) -> None:
        """Raises InvalidTemplate, and InvalidReference for what is no name of a bucket."""
        super().__post_init__()
        self._place("any")

    def _store(self, location: str, dump: _Dump) -> models.ResultReference:
        place = self._place(location)
        members: JsonObject = {self._member: place.bucket}
        return self._model(**members, **self._members(location, place.name, place.write(dump)))

    def _place(self, location: str) -> Object:
        return object_at(self._scheme, getattr(self, self._member), location, self.storage_options)

    def _own(self, reference: models.ResultReference) -> Object:
        bucket = getattr(self, self._member)
        if not isinstance(reference, self._model) or getattr(reference, self._member) not in (None, bucket):
            raise InvalidReference(f"{reference.uri or reference.type} does not lie in {self!r}.")
        return self._place(written_location(reference))


class S3Result(_InBucket, frozen=True):
    """Stores results as objects in a bucket of Amazon S3 or a compatible store; needs the extra `s3`."""

    bucket: str

    _scheme: ClassVar[str] = "s3"
    _model: ClassVar[type[models.S3Result]] = models.S3Result


class GCSResult(_InBucket, frozen=True):
    """Stores results as objects in a bucket of Google Cloud Storage; needs the extra `gcs`."""

    bucket: str

    _scheme: ClassVar[str] = "gs"
    _model: ClassVar[type[models.GCSResult]] = models.GCSResult


class AzureResult(_InBucket, frozen=True):
    """Stores results as blobs in a container of Azure Blob Storage; needs the extra `azure`."""

    container: str

    _scheme: ClassVar[str] = "az"
    _member: ClassVar[str] = "container"
    _model: ClassVar[type[models.AzureResult]] = models.AzureResult


Storage: TypeAlias = LocalResult | S3Result | GCSResult | AzureResult | PrefectResult | ConstantResult


def _dump(serializer: Serializer, value: object, sink: Sink) -> None:
    try:
        serializer.dump(value, sink)
    except ResultError:
        raise
    except Exception as error:
        kind = type(value).__name__
        raise ResultNotWritten(f"{serializer!r} cannot write a value of type {kind}: {error}") from error
