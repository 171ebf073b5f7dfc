"""Result references: where a result is kept and how it was written. Text only: nothing is ever opened or loaded."""

import re
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from taskruns_service.domain.json_values import JsonObject

LOCATION_BYTES = 4096
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
SCHEMES = (
    "file ftp ftps nfs sftp smb ssh dav davs http https webdav webdavs "
    "abfs abfss adl az azure b2 cos gcs gs minio oci oss r2 s3 s3a s3n swift wasb wasbs "
    "dbfs gdrive hdfs hf ipfs lakefs viewfs webhdfs "
    "bigquery memcached mongodb mysql postgresql redis rediss snowflake sqlite"
)
"""The schemes of places: of file systems, web servers, object storages and databases. Nothing runs what they name."""
_SCHEMES = frozenset(SCHEMES.split())
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # one letter is a drive of Windows
_LINK_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_LINK_SCHEMES = _SCHEMES | {"mailto"}
_SCRIPT = re.compile(r"(?:javascript|vbscript):|data:(?:[a-z]+/|[,;]|//)", re.IGNORECASE)
_BLANKS = re.compile(r"^[\s\x00-\x20\xad\u200b-\u200f\u2060\ufeff]+|[\t\r\n]")  # what browsers and people overlook
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _CheckedReference(Struct, kw_only=True):
    """What every reference that a client sends is checked for; all other members are kept as they are."""

    type: Annotated[str, Meta(min_length=1, max_length=255)]
    location: str | None | UnsetType = UNSET
    dir: str | None | UnsetType = UNSET
    bucket: str | None | UnsetType = UNSET
    container: str | None | UnsetType = UNSET
    serializer: JsonObject | None | UnsetType = UNSET


INLINE_TYPES = frozenset({"PrefectResult", "ConstantResult"})
NO_RESULT_TYPES = frozenset({"NoResultType", "NoResult"})
MESSAGE_EXCERPT = 500
"""How many characters of a state's message a problem has, which may be 64 KiB long."""


PLACES = ("location", "dir", "bucket", "container")


def check_reference(reference: JsonObject) -> None:
    """Refuses a reference that could mislead: raises ValueError (or ValidationError) that says what is wrong.

    The location of a `PrefectResult` is not a place but the value itself, as JSON text, and as long as a state may be.
    """
    checked = msgspec.convert(reference, _CheckedReference)
    check_places(reference)
    for member in PLACES:
        if (scheme := _scheme(_place(reference, member))) and scheme not in _SCHEMES:
            kinds = "a file system, a web server, an object storage or a database"
            raise ValueError(f"`{member}` of a result cannot have the scheme `{scheme}`; use one of {kinds}")
    if checked.type == "PrefectResult" and checked.location:
        try:
            msgspec.json.decode(checked.location)
        except msgspec.DecodeError:
            raise ValueError("`location` of a PrefectResult must be its value as JSON text, but is not JSON") from None
    if isinstance(checked.serializer, dict) and not isinstance(checked.serializer.get("type"), str):
        raise ValueError("`serializer` of a result needs a `type` that is a string")


def check_places(reference: JsonObject) -> None:
    """Refuses places of a result that nobody should follow or see; raises ValueError that says what is wrong.

    Places are at most 4 KiB of UTF-8, without control characters and without a user name or password, and are nothing
    that a browser would run. Everything else about the reference may be as it likes, as of Prefect 1's own results.
    """
    for member in PLACES:
        place = _place(reference, member)
        if len(place.encode()) > LOCATION_BYTES:
            raise ValueError(f"`{member}` of a result can have at most {LOCATION_BYTES} bytes")
        if _CONTROL.search(place):
            raise ValueError(f"`{member}` of a result cannot contain control characters")
        if _SCRIPT.match(_as_browsed(place)):
            raise ValueError(f"`{member}` of a result cannot be a script")
        if _has_user(place) or ("@" in place and member in ("bucket", "container")):
            raise ValueError(f"`{member}` of a result cannot contain a user name or password")


def check_link(data: object) -> None:
    """Refuses the link of an artifact unless it is relative, a mail address, or has a scheme that places may have.

    Raises ValueError that says what is wrong. `data` is what the artifact shows, and has the link as `link`.
    """
    link = data.get("link") if isinstance(data, dict) else None
    scheme = _LINK_SCHEME.match(_as_browsed(link)) if isinstance(link, str) else None
    if scheme is not None and scheme[1].lower() not in _LINK_SCHEMES:
        raise ValueError(f"`link` cannot have the scheme `{scheme[1]}`; use one such as `https`")


def _place(reference: JsonObject, member: str) -> str:
    """A place as text, empty where there is none: in `location` some types have the value itself."""
    is_value = member == "location" and _text(reference, "type") in INLINE_TYPES
    return "" if is_value else _text(reference, member) or ""


def _as_browsed(place: str) -> str:
    """A place as browsers read it, without the blanks that they overlook."""
    return _BLANKS.sub("", unicodedata.normalize("NFKC", place))


def _scheme(place: str) -> str | None:
    """The scheme of a place that is a URL, in lower case."""
    match = _SCHEME.match(_as_browsed(place))
    return match[1].lower() if match else None


def _has_user(place: str) -> bool:
    """Whether a URL names a user, to this library or to a browser; one that cannot be read may."""
    # Other signs may become an `@`, or a bracket.
    raw_place, place = place, unicodedata.normalize("NFKC", place)
    scheme, separator, rest = place.partition("://")
    if not separator:
        return False
    try:
        named = any("@" in urlsplit(text).netloc for text in (raw_place, place))
    except ValueError:
        return True
    # However many slashes there are, browsers take what follows them for the host.
    browsed = re.split(r"[/?#]", rest.lstrip("/\\"), maxsplit=1)[0]
    return named or (scheme != "file" and "@" in browsed)


def is_kept(reference: JsonObject | None) -> bool:
    """Whether a reference leads to a result: it has a location, or is the value itself."""
    return reference is not None and (bool(reference.get("location")) or reference.get("type") == "ConstantResult")


def without_result(state: str, reference: JsonObject | None, message: str | None) -> str:
    """A sentence about a task run in a finished state without a result, as far as the state says why."""
    if reference is not None:
        return f"The task run is {state}, and its task stores no result."
    reason = f" Its message: {message[:MESSAGE_EXCERPT]}" if message else ""
    return f"The task run is {state} and was reported without a result.{reason}"


class PickleSerializer(Struct, frozen=True, kw_only=True, tag="PickleSerializer", tag_field="type"):
    """Written with cloudpickle. Load it only if you trust its author."""


class JSONSerializer(Struct, frozen=True, kw_only=True, tag="JSONSerializer", tag_field="type"):
    """Written as JSON in UTF-8."""


class DateTimeSerializer(Struct, frozen=True, kw_only=True, tag="DateTimeSerializer", tag_field="type"):
    """A time, written as RFC 3339 text."""


class PandasSerializer(Struct, frozen=True, kw_only=True, tag="PandasSerializer", tag_field="type"):
    """A pandas DataFrame, written as a file of this type."""

    file_type: Annotated[
        str | None, Meta(description="The file type, such as `csv` or `parquet`.", examples=["parquet"])
    ]


class CompressedSerializer(Struct, frozen=True, kw_only=True, tag="CompressedSerializer", tag_field="type"):
    """Written with another serializer and then compressed."""

    format: Annotated[
        str | None,
        Meta(description="The compression format, such as `gzip`, `bz2`, `lzma`, or `zlib`.", examples=["gzip"]),
    ]
    serializer: Annotated[
        "Serializer | None", Meta(description="The serializer that wrote the value before compression.")
    ]


class CustomSerializer(Struct, frozen=True, kw_only=True, tag="CustomSerializer", tag_field="type"):
    """A user-defined serializer, as sent."""

    name: Annotated[str, Meta(description="The type, as sent.", examples=["MySerializer"])]
    serializer: Annotated[JsonObject, Meta(description="The serializer, as sent.")] = field(name="given")


Serializer = (
    PickleSerializer | JSONSerializer | DateTimeSerializer | PandasSerializer | CompressedSerializer | CustomSerializer
)

Location = Annotated[
    str | None,
    Meta(
        description="The location of the result within its storage; null if it was not written.",
        examples=["8e44/name.json"],
    ),
]
Uri = Annotated[
    str | None,
    Meta(
        description="The complete location as a URI, from type, storage, and location; null if there is none.",
        examples=["s3://flows/8e44/name.json"],
    ),
]


class _Reference(Struct, frozen=True, kw_only=True):
    location: Location
    uri: Uri
    serializer: Annotated[
        Serializer | None,
        Meta(description="How the result was serialized; null if unspecified, which means pickle."),
    ]
    size: Annotated[int | None, Meta(description="The size of the stored result in bytes; null if it was not sent.")]
    digest: Annotated[
        str | None, Meta(description="The digest of the stored result, such as `sha256:…`; null if it was not sent.")
    ]


class LocalResult(_Reference, frozen=True, kw_only=True, tag="LocalResult", tag_field="type"):
    """A file on the machine where the task ran, or on a shared disk."""

    dir: Annotated[
        str | None, Meta(description="The folder that `location` is relative to.", examples=["/data/results"])
    ]


class S3Result(_Reference, frozen=True, kw_only=True, tag="S3Result", tag_field="type"):
    """An object in a bucket of Amazon S3 or a compatible store."""

    bucket: Annotated[str | None, Meta(description="The bucket.", examples=["flows"])]


class GCSResult(_Reference, frozen=True, kw_only=True, tag="GCSResult", tag_field="type"):
    """An object in a bucket of Google Cloud Storage."""

    bucket: Annotated[str | None, Meta(description="The bucket.", examples=["flows"])]


class AzureResult(_Reference, frozen=True, kw_only=True, tag="AzureResult", tag_field="type"):
    """A blob in a container of Azure Blob Storage."""

    container: Annotated[str | None, Meta(description="The container.", examples=["flows"])]


class PrefectResult(_Reference, frozen=True, kw_only=True, tag="PrefectResult", tag_field="type"):
    """A value that was deliberately sent to the service: `location` is the value itself, as JSON text."""


class ConstantResult(_Reference, frozen=True, kw_only=True, tag="ConstantResult", tag_field="type"):
    """A constant value."""

    value: Annotated[Any, Meta(description="The value, as sent.")]


class SecretResult(_Reference, frozen=True, kw_only=True, tag="SecretResult", tag_field="type"):
    """A secret: `location` is its name. The service never holds its value."""


class CustomResult(_Reference, frozen=True, kw_only=True, tag="CustomResult", tag_field="type"):
    """A user-defined result type, as sent."""

    name: Annotated[str, Meta(description="The type, as sent.", examples=["MyResult"])]
    reference: Annotated[JsonObject, Meta(description="The reference, as sent.")] = field(name="given")


ResultReference = (
    LocalResult | S3Result | GCSResult | AzureResult | PrefectResult | ConstantResult | SecretResult | CustomResult
)


def read_reference(reference: JsonObject | None) -> ResultReference | None:
    """A reference as it was sent, read for clients; None when there is none. Never raises on what was stored."""
    if reference is None or _text(reference, "type") in NO_RESULT_TYPES:
        return None
    common: JsonObject = {
        "location": _text(reference, "location"),
        "serializer": read_serializer(reference.get("serializer")),
        "size": size if type(size := reference.get("size")) is int else None,  # and not a bool, which is an int too
        "digest": _text(reference, "digest"),
    }
    location = common["location"]
    match reference.get("type"):
        case "LocalResult":
            folder = _text(reference, "dir")
            return LocalResult(**common, dir=folder, uri=local_uri(folder, location))
        case "S3Result":
            bucket = _text(reference, "bucket")
            return S3Result(**common, bucket=bucket, uri=_object_uri("s3", bucket, location))
        case "GCSResult":
            bucket = _text(reference, "bucket")
            return GCSResult(**common, bucket=bucket, uri=_object_uri("gs", bucket, location))
        case "AzureResult":
            container = _text(reference, "container")
            return AzureResult(**common, container=container, uri=_object_uri("az", container, location))
        case "PrefectResult":
            return PrefectResult(**common, uri=None)
        case "ConstantResult":
            return ConstantResult(**common, value=reference.get("value"), uri=None)
        case "SecretResult":
            return SecretResult(**common, uri=None)
        case name:
            return CustomResult(**common, name=str(name), reference=reference, uri=_own_uri(location))


def read_serializer(serializer: object) -> Serializer | None:
    """A serializer as it was sent, read for clients; None when there is none."""
    if not isinstance(serializer, dict):
        return None
    match serializer.get("type"):
        case "PickleSerializer":
            return PickleSerializer()
        case "JSONSerializer":
            return JSONSerializer()
        case "DateTimeSerializer":
            return DateTimeSerializer()
        case "PandasSerializer":
            return PandasSerializer(file_type=_text(serializer, "file_type"))
        case "CompressedSerializer":
            return CompressedSerializer(
                format=_text(serializer, "format"), serializer=read_serializer(serializer.get("serializer"))
            )
        case name:
            return CustomSerializer(name=str(name), serializer=serializer)


def local_uri(folder: str | None, location: str | None) -> str | None:
    """`file://` URI (RFC 8089) of a location under a folder, both POSIX or both Windows; None if it is not absolute."""
    if not location:
        return None
    if location.startswith("file://"):
        return _own_uri(location)
    if _WINDOWS.match(folder or location):
        windows_path = PureWindowsPath(folder or "") / location
        return windows_path.as_uri() if windows_path.is_absolute() else None
    path = PurePosixPath(folder or "") / location
    return "file://" + quote(str(path)) if path.is_absolute() else None


def _object_uri(scheme: str, bucket: str | None, key: str | None) -> str | None:
    if not key:
        return None
    uri = f"{scheme}://{bucket}/{key}"  # a key that begins with a slash is another one than without
    return _own_uri(key) or (uri if bucket and "@" not in bucket and not _has_user(uri) else None)


def _own_uri(location: str | None) -> str | None:
    """A location that is a URI by itself; only of a scheme that places have, and not one that names a user.

    Engines of Prefect 1 report theirs as they are, so they are not all held to `check_reference`.
    """
    scheme = _SCHEME.match(location or "")
    if location is None or scheme is None or scheme[1].lower() not in _SCHEMES:
        return None
    return None if _CONTROL.search(location) or _has_user(location) else location


def _text(members: JsonObject, member: str) -> str | None:
    value = members.get(member)
    return value if isinstance(value, str) else None
