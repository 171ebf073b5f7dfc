"""Result references: what is refused, and how those that were given are read."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from taskruns_service.domain.results import (
    INLINE_TYPES,
    LOCATION_BYTES,
    NO_RESULT_TYPES,
    AzureResult,
    CompressedSerializer,
    ConstantResult,
    CustomResult,
    CustomSerializer,
    DateTimeSerializer,
    GCSResult,
    JSONSerializer,
    LocalResult,
    PandasSerializer,
    PickleSerializer,
    PrefectResult,
    ResultReference,
    S3Result,
    SecretResult,
    check_reference,
    is_kept,
    local_uri,
    read_reference,
    read_serializer,
)

Given = dict[str, Any]
COMMON: Given = {"serializer": None, "size": None, "digest": None}

# Reading

READ: dict[str, tuple[Given, ResultReference]] = {
    "LocalResult": (
        {"type": "LocalResult", "dir": "/data/results", "location": "8e44/name.json"},
        LocalResult(
            **COMMON, dir="/data/results", location="8e44/name.json", uri="file:///data/results/8e44/name.json"
        ),
    ),
    "S3Result": (
        {"type": "S3Result", "bucket": "flows", "location": "8e44/name.json"},
        S3Result(**COMMON, bucket="flows", location="8e44/name.json", uri="s3://flows/8e44/name.json"),
    ),
    "GCSResult": (
        {"type": "GCSResult", "bucket": "flows", "location": "/8e44/name.json"},
        GCSResult(**COMMON, bucket="flows", location="/8e44/name.json", uri="gs://flows//8e44/name.json"),
    ),
    "AzureResult": (
        {"type": "AzureResult", "container": "flows", "location": "8e44/name.json"},
        AzureResult(**COMMON, container="flows", location="8e44/name.json", uri="az://flows/8e44/name.json"),
    ),
    "PrefectResult": (
        {"type": "PrefectResult", "location": '{"rows": 3}'},
        PrefectResult(**COMMON, location='{"rows": 3}', uri=None),
    ),
    "ConstantResult": (
        {"type": "ConstantResult", "value": [1, None]},
        ConstantResult(**COMMON, location=None, value=[1, None], uri=None),
    ),
    "SecretResult": (
        {"type": "SecretResult", "location": "API_TOKEN"},
        SecretResult(**COMMON, location="API_TOKEN", uri=None),
    ),
    "a type of the user's own with a whole place": (
        {"type": "MyResult", "location": "redis://cache/key", "shard": 3},
        CustomResult(
            **COMMON,
            location="redis://cache/key",
            uri="redis://cache/key",
            name="MyResult",
            reference={"type": "MyResult", "location": "redis://cache/key", "shard": 3},
        ),
    ),
    "a type of the user's own without a whole place": (
        {"type": "MyResult", "location": "key"},
        CustomResult(
            **COMMON, location="key", uri=None, name="MyResult", reference={"type": "MyResult", "location": "key"}
        ),
    ),
    "a reference to what was not written": (
        {"type": "S3Result", "bucket": "flows"},
        S3Result(**COMMON, bucket="flows", location=None, uri=None),
    ),
    "a location that is a whole place already": (
        {"type": "S3Result", "location": "s3://flows/name"},
        S3Result(**COMMON, bucket=None, location="s3://flows/name", uri="s3://flows/name"),
    ),
    "a reference with its size, digest and serializer": (
        {
            "type": "LocalResult",
            "location": "/r",
            "size": 12,
            "digest": "sha256:e3b0",
            "serializer": {"type": "JSONSerializer"},
        },
        LocalResult(
            dir=None, location="/r", uri="file:///r", size=12, digest="sha256:e3b0", serializer=JSONSerializer()
        ),
    ),
    "members of other types than they should be": (
        {"type": "S3Result", "location": "k", "bucket": "b", "size": "12", "digest": 5},
        S3Result(**COMMON, bucket="b", location="k", uri="s3://b/k"),
    ),
}


@pytest.mark.parametrize(("given_", "read"), READ.values(), ids=READ)
def test_reference_is_read_as_its_type(given_: Given, read: ResultReference) -> None:
    check_reference(given_)
    assert read_reference(given_) == read


@pytest.mark.parametrize("given_", [None, *({"type": one} for one in sorted(NO_RESULT_TYPES))])
def test_missing_result_has_no_reference(given_: Given | None) -> None:
    assert read_reference(given_) is None


def test_size_that_is_no_number_is_left_out() -> None:
    read = read_reference({"type": "S3Result", "size": True})
    assert read is not None
    assert read.size is None


SERIALIZERS: dict[str, tuple[Any, Any]] = {
    "pickle": ({"type": "PickleSerializer"}, PickleSerializer()),
    "JSON": ({"type": "JSONSerializer"}, JSONSerializer()),
    "a moment": ({"type": "DateTimeSerializer"}, DateTimeSerializer()),
    "pandas": ({"type": "PandasSerializer", "file_type": "parquet"}, PandasSerializer(file_type="parquet")),
    "pandas without a file type": ({"type": "PandasSerializer"}, PandasSerializer(file_type=None)),
    "compressed twice": (
        {
            "type": "CompressedSerializer",
            "format": "gzip",
            "serializer": {
                "type": "CompressedSerializer",
                "format": "bz2",
                "serializer": {"type": "PandasSerializer", "file_type": "csv"},
            },
        },
        CompressedSerializer(
            format="gzip",
            serializer=CompressedSerializer(format="bz2", serializer=PandasSerializer(file_type="csv")),
        ),
    ),
    "compressed by nobody knows what": (
        {"type": "CompressedSerializer", "format": 7},
        CompressedSerializer(format=None, serializer=None),
    ),
    "the user's own": (
        {"type": "MySerializer", "level": 9},
        CustomSerializer(name="MySerializer", serializer={"type": "MySerializer", "level": 9}),
    ),
    "none": (None, None),
    "no object": ("pickle", None),
}


@pytest.mark.parametrize(("given_", "read"), SERIALIZERS.values(), ids=SERIALIZERS)
def test_serializer_is_read_as_its_type(given_: Any, read: Any) -> None:
    assert read_serializer(given_) == read


LOCAL_URIS = {
    ("/data", "a/b.json"): "file:///data/a/b.json",
    ("/data", "/other/b.json"): "file:///other/b.json",
    ("/data", "a b?#%.json"): "file:///data/a%20b%3F%23%25.json",
    ("/data", "größe.json"): "file:///data/gr%C3%B6%C3%9Fe.json",
    ("relative", "b.json"): None,
    (None, "b.json"): None,
    (None, "/b.json"): "file:///b.json",
    ("/data", None): None,
    ("/data", ""): None,
    ("/data", "file:///b.json"): "file:///b.json",
    ("C:\\data", "b.json"): "file:///C:/data/b.json",
    ("C:\\data", "sub\\b c.json"): "file:///C:/data/sub/b%20c.json",
    ("C:", "b.json"): None,
    ("\\\\server\\share", "b.json"): "file://server/share/b.json",
    (None, "\\\\server"): None,
}


@pytest.mark.parametrize(("folder", "location", "uri"), [(*pair, uri) for pair, uri in LOCAL_URIS.items()])
def test_local_uri_is_the_whole_path(folder: str | None, location: str | None, uri: str | None) -> None:
    assert local_uri(folder, location) == uri


def test_result_is_kept_where_it_has_a_place_or_is_the_value() -> None:
    assert is_kept({"type": "S3Result", "location": "k"})
    assert is_kept({"type": "ConstantResult", "value": None})
    assert not is_kept({"type": "S3Result", "location": ""})
    assert not is_kept({"type": "S3Result", "bucket": "b"})
    assert not is_kept({"type": "NoResultType"})
    assert not is_kept(None)


# Checking


def test_longest_place_is_accepted() -> None:
    check_reference({"type": "LocalResult", "location": "ä" * (LOCATION_BYTES // 2)})


REFUSED: dict[str, tuple[Given, str]] = {
    "no type": ({"location": "k"}, "type"),
    "an empty type": ({"type": ""}, "type"),
    "a type of 256 characters": ({"type": "t" * 256}, "type"),
    "a type that is no text": ({"type": 5}, "type"),
    "a location that is no text": ({"type": "S3Result", "location": 5}, "location"),
    "a serializer that is no object": ({"type": "S3Result", "serializer": "pickle"}, "serializer"),
    "a serializer without a type": ({"type": "S3Result", "serializer": {"level": 9}}, "serializer"),
    "an empty serializer": ({"type": "S3Result", "serializer": {}}, "serializer"),
    "a serializer whose type is no text": ({"type": "S3Result", "serializer": {"type": 5}}, "serializer"),
    "a location of more than 4 KiB": ({"type": "LocalResult", "location": "a" * (LOCATION_BYTES + 1)}, "location"),
    "a location of more than 4 KiB in UTF-8": (
        {"type": "LocalResult", "location": "ä" * (LOCATION_BYTES // 2 + 1)},
        "location",
    ),
    "a folder of more than 4 KiB": ({"type": "LocalResult", "dir": "/" * (LOCATION_BYTES + 1)}, "dir"),
    "a value that is not JSON": ({"type": "PrefectResult", "location": "{rows: 3}"}, "location"),
    "a user name in a bucket": ({"type": "S3Result", "bucket": "user:pass@flows", "location": "k"}, "bucket"),
    "a user name in a container": ({"type": "AzureResult", "container": "user@flows", "location": "k"}, "container"),
    **{
        f"{place!r} as {member}": ({"type": "LocalResult", member: place}, member)
        for member in ("location", "dir", "bucket", "container")
        for place in (
            "a\nb",
            "a\tb",
            "a\0b",
            "a\x7fb",
            "https://user@host/path",
            "https://user:pass@host/path",
            "s3://key:secret@bucket/path",
            "https://host\\@other/path",
            " https://user@host/path",
            "https://user@[::1/path",
            "https://host＠other/path",  # noqa: RUF001 - a full-width @, which others may take for a plain one
        )
    },
}


@pytest.mark.parametrize(("given_", "member"), REFUSED.values(), ids=REFUSED)
def test_reference_that_could_mislead_is_refused(given_: Given, member: str) -> None:
    with pytest.raises(ValueError, match=member):
        check_reference(given_)


@pytest.mark.parametrize("type_", sorted(INLINE_TYPES))
def test_value_that_is_sent_may_be_any_json(type_: str) -> None:
    check_reference({"type": type_, "location": msgspec.json.encode("user@host\n" * 1000).decode()})


@pytest.mark.parametrize("location", ["user@host/path", "mailto:user@host", "a/b@c.json", "https://host/a@b"])
def test_at_sign_that_is_no_user_name_is_accepted(location: str) -> None:
    check_reference({"type": "LocalResult", "location": location})


TEXT = 'aB9"\\/ \n\x1f\x7fßé€\ufeff\uffff😀\U0010ffff'
"""Characters of one to four bytes in UTF-8, with those that JSON escapes. All of Unicode takes seconds to set up."""
json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(TEXT, max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(TEXT, max_size=4), inner, max_size=2),
    max_leaves=4,
)
places = st.text("ab/\\:.@%?# ~C", max_size=20) | st.text(TEXT, max_size=10)
types = st.sampled_from(
    [
        "LocalResult",
        "S3Result",
        "GCSResult",
        "AzureResult",
        "PrefectResult",
        "ConstantResult",
        "SecretResult",
        "MyResult",
        *sorted(NO_RESULT_TYPES),
    ]
)
serializer_types = st.sampled_from(["PickleSerializer", "JSONSerializer", "PandasSerializer", "MySerializer"])


def serializers(type_: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    plain = st.fixed_dictionaries({"type": type_}, optional={"file_type": json, "format": json})
    compressed = st.fixed_dictionaries(
        {"type": st.just("CompressedSerializer"), "serializer": plain | st.deferred(lambda: compressed) | json}
    )
    return plain | compressed


def references_of(
    type_: st.SearchStrategy[Any], location: st.SearchStrategy[Any], serializer: st.SearchStrategy[Any]
) -> st.SearchStrategy[Given]:
    return st.fixed_dictionaries(
        {"type": type_},
        optional={
            "location": location | st.none(),
            **dict.fromkeys(("dir", "bucket", "container"), places | st.none()),
            "serializer": serializer | st.none(),
            **dict.fromkeys(("size", "digest", "value", "extra"), json),
        },
    )


references = references_of(types, places, serializers(serializer_types | json)) | st.dictionaries(
    st.sampled_from(["type", "location", "dir", "serializer", "size", "extra"]), json
)
# Nearly all of these are accepted, where the location of a PrefectResult is JSON and types are texts.
json_texts = json.map(lambda value: msgspec.json.encode(value).decode())
acceptable_references = references_of(
    types.filter(lambda type_: type_ != "PrefectResult") | st.text(TEXT, min_size=1, max_size=8),
    places,
    serializers(serializer_types | st.text(TEXT, max_size=4)),
) | references_of(st.just("PrefectResult"), json_texts, serializers(serializer_types))


def accepted(given_: Given) -> bool:
    try:
        check_reference(given_)
    except ValueError:
        return False
    return True


@given(acceptable_references)
def test_whatever_is_accepted_is_read_as_it_is_documented(given_: Given) -> None:
    assume(accepted(given_))
    read = read_reference(given_)
    assert msgspec.json.decode(msgspec.json.encode(read), type=ResultReference | None) == read


@given(references)
@example({"type": "S3Result", "bucket": "user:pass@flows", "location": "k"})
@example({"type": "MyResult", "location": "https://user:pass@flows/k"})
@example({"type": "S3Result", "bucket": "[", "location": "k"})
def test_uri_never_has_a_user_name(given_: Given) -> None:
    read = read_reference(given_)
    if read is not None and read.uri is not None:
        assert "@" not in urlsplit(read.uri).netloc


@given(places | st.none(), places | st.none())
def test_local_uri_is_a_file_uri_or_none(folder: str | None, location: str | None) -> None:
    uri = local_uri(folder, location)
    assert uri is None or uri.startswith("file:")
