"""How values become bytes and bytes values: each serializer, its name on the wire, and whether loading runs code."""

import datetime
import json
import pickle
from typing import IO, ClassVar, TypeAlias

from msgspec import Struct

from taskruns import models
from taskruns.results import frames, streams
from taskruns.results.compression import FORMATS, compressed, unpacked
from taskruns.results.errors import MissingExtra, UnsupportedResult
from taskruns.results.extras import extra
from taskruns.results.signatures import check_compressed, check_pickle, pickle_bytes
from taskruns.results.streams import Sink

_PROTOCOL = 5


class PickleSerializer(Struct, frozen=True):
    """Writes almost any value, with cloudpickle if it is installed. Loading can run code of its author."""

    extension: ClassVar[str] = ".pickle"
    runs_code: ClassVar[bool] = True

    def wire(self) -> models.Serializer:
        """Returns how a reference names it."""
        return models.PickleSerializer()

    def dump(self, value: object, file: Sink) -> None:
        """Writes a value; raises MissingExtra if the standard library refuses what cloudpickle may take."""
        try:
            cloudpickle = extra("cloudpickle", "pickle", f"A value of type {type(value).__name__}")
        except MissingExtra as missing:
            try:
                pickle.dump(value, file, _PROTOCOL)
            # A TypeError is about what nobody can pickle, such as a lock; but for these two, which cloudpickle takes.
            except TypeError as error:
                if "'module'" not in str(error) and "code objects" not in str(error):
                    raise
                raise missing from None
            except (pickle.PicklingError, AttributeError):
                raise missing from None
        else:
            cloudpickle.dump(value, file, _PROTOCOL)

    def load(self, file: IO[bytes], max_bytes: int) -> object:
        """Returns the value; also from base64 text, which early versions of Prefect 1 wrote.

        Raises ValueError for what does not begin as a pickle, before anything is executed.
        """
        source = pickle_bytes(file)
        try:
            return pickle.load(source)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "cloudpickle":
                extra("cloudpickle", "pickle", "This pickle")
            raise


class JSONSerializer(Struct, frozen=True):
    """Writes JSON: None, booleans, numbers, strings, lists, and dicts with strings as keys."""

    extension: ClassVar[str] = ".json"
    runs_code: ClassVar[bool] = False

    def wire(self) -> models.Serializer:
        """Returns how a reference names it."""
        return models.JSONSerializer()

    def dump(self, value: object, file: Sink) -> None:
        """Writes a value; raises TypeError or ValueError for one that JSON cannot say, such as NaN."""
        file.write(json.dumps(value, allow_nan=False).encode())

    def load(self, file: IO[bytes], max_bytes: int) -> object:
        """Returns the value; with NaN and the like too, which Prefect 1 wrote."""
        return json.load(file)


class DateTimeSerializer(Struct, frozen=True):
    """Writes a time as RFC 3339 text. The loaded value has its offset from UTC, but not the name of its zone."""

    extension: ClassVar[str] = ".txt"
    runs_code: ClassVar[bool] = False

    def wire(self) -> models.Serializer:
        """Returns how a reference names it."""
        return models.DateTimeSerializer()

    def dump(self, value: object, file: Sink) -> None:
        """Writes a `datetime`; raises TypeError for anything else, ValueError for one without a time zone."""
        if not isinstance(value, datetime.datetime):
            raise TypeError("it is not a datetime")
        if (offset := value.utcoffset()) is None:
            raise ValueError("it has no time zone, so its time is ambiguous")
        # Before there was standard time, zones had offsets with seconds, which RFC 3339 cannot say.
        exact = value.astimezone(datetime.UTC) if offset.total_seconds() % 60 else value
        file.write(exact.isoformat().encode())

    def load(self, file: IO[bytes], max_bytes: int) -> object:
        """Returns the `datetime`; one without a zone is UTC, as it was for Prefect 1."""
        moment = datetime.datetime.fromisoformat(file.read().decode().strip())
        return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


class PandasSerializer(Struct, frozen=True):
    """Writes a pandas DataFrame as a file: csv, feather, json, parquet, or pickle."""

    file_type: str

    def __post_init__(self) -> None:
        """Raises UnsupportedResult for a type that is none of these."""
        if self.file_type not in frames.FILE_TYPES:
            raise UnsupportedResult(f"{self!r} is unknown. The file types are {', '.join(frames.FILE_TYPES)}.")

    @property
    def extension(self) -> str:
        """The end of the names of what it writes."""
        return f".{self.file_type}"

    @property
    def runs_code(self) -> bool:
        """Whether loading can run code of the author."""
        return frames.FILE_TYPES[self.file_type].runs_code

    def wire(self) -> models.Serializer:
        """Returns how a reference names it."""
        return models.PandasSerializer(file_type=self.file_type)

    def dump(self, value: object, file: Sink) -> None:
        """Writes a DataFrame; raises TypeError for anything else, ValueError if a csv file would lose its index."""
        frames.write(self.file_type, value, file)

    def load(self, file: IO[bytes], max_bytes: int) -> object:
        """Returns the DataFrame; raises ResultTooLarge if a parquet file says that it holds more than `max_bytes`."""
        if self.runs_code:
            check_pickle(file)
        return frames.read(self.file_type, file, max_bytes)


class CompressedSerializer(Struct, frozen=True):
    """Compresses the output of another serializer with bz2, gzip, lzma, or zlib."""

    inner: "Serializer"
    format: str = "gzip"

    def __post_init__(self) -> None:
        """Raises UnsupportedResult for another format, and for what is compressed already."""
        # One level is all that anybody needs, and a reference could ask for thousands.
        if isinstance(self.inner, CompressedSerializer):
            raise UnsupportedResult("CompressedSerializer does not compress a compressed serializer.")
        if self.format not in FORMATS:
            raise UnsupportedResult(
                f"CompressedSerializer does not support {self.format!r}. The formats are {', '.join(FORMATS)}."
            )

    @property
    def extension(self) -> str:
        """The end of the names of what it writes."""
        return self.inner.extension + FORMATS[self.format].extension

    @property
    def runs_code(self) -> bool:
        """Whether loading can run code of the author."""
        return self.inner.runs_code

    def wire(self) -> models.Serializer:
        """Returns how a reference names it."""
        return models.CompressedSerializer(format=self.format, serializer=self.inner.wire())

    def dump(self, value: object, file: Sink) -> None:
        """Writes a value as the inner serializer does, and compresses that."""
        with streams.spooled_file() as plain:
            self.inner.dump(value, plain)
            plain.seek(0)
            for piece in compressed(streams.pieces(plain), self.format):
                file.write(piece)

    def load(self, file: IO[bytes], max_bytes: int) -> object:
        """Returns the value; raises ResultTooLarge as soon as more than `max_bytes` are unpacked."""
        if self.runs_code:
            check_compressed(file, self.format)
        with streams.spooled_file() as plain:
            streams.move(unpacked(file, self.format), plain, max_bytes, "The decompressed result")
            plain.seek(0)
            return self.inner.load(plain, max_bytes)


Serializer: TypeAlias = PickleSerializer | JSONSerializer | DateTimeSerializer | PandasSerializer | CompressedSerializer


def serializer_of(wire: models.Serializer | None) -> Serializer:
    """Returns the serializer that a reference names; none is pickle, as Prefect 1 had it.

    Raises UnsupportedResult for what is none of this package's.
    """
    match wire:
        case None | models.PickleSerializer():
            return PickleSerializer()
        case models.JSONSerializer():
            return JSONSerializer()
        case models.DateTimeSerializer():
            return DateTimeSerializer()
        case models.PandasSerializer():
            return PandasSerializer(wire.file_type or "")
        case models.CompressedSerializer():
            return CompressedSerializer(serializer_of(wire.serializer), wire.format or "")
        case models.CustomSerializer():
            raise UnsupportedResult(
                f"The result was written with {wire.name}, which is not a serializer of this package: read it "
                f"yourself, from `reference.uri`."
            )
