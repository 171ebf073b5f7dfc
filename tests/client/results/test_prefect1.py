"""Results that Prefect 1 wrote: bytes that its release 1.4.1 made, with references as that release sent them."""

import base64
import datetime
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from taskruns import results
from taskruns.results.objects import object_at
from taskruns.results.streams import Sink
from tests.client.results.emulators import AZURE
from tests.client.results.references import served

OBJECT = {"rows": 3, "names": ["a", "b"]}
MOMENT = datetime.datetime(2021, 3, 4, 5, 6, 7, 890000, datetime.timezone(datetime.timedelta(hours=1)))
# base64 of what `prefect.engine.serializers` of prefect 1.4.1, on Python 3.10 with cloudpickle 2, makes of OBJECT:
# PickleSerializer().serialize(OBJECT), and that once more in base64, as the first releases did.
PICKLE = "gAWVIgAAAAAAAAB9lCiMBHJvd3OUSwOMBW5hbWVzlF2UKIwBYZSMAWKUZXUu"
PICKLE_IN_BASE64 = "Z0FXVklnQUFBQUFBQUFCOWxDaU1CSEp2ZDNPVVN3T01CVzVoYldWemxGMlVLSXdCWVpTTUFXS1VaWFV1"
WRITTEN: dict[str, tuple[dict[str, Any], str, Any]] = {
    # JSONSerializer(), of OBJECT and of [nan, 1]
    "json": ({"type": "JSONSerializer"}, "eyJyb3dzIjogMywgIm5hbWVzIjogWyJhIiwgImIiXX0=", OBJECT),
    # DateTimeSerializer(), of pendulum.datetime(2021, 3, 4, 5, 6, 7, 890000, tz="Europe/Berlin"), and of a naive one
    "moment": ({"type": "DateTimeSerializer"}, "MjAyMS0wMy0wNFQwNTowNjowNy44OTAwMDArMDE6MDA=", MOMENT),
    "moment in UTC": (
        {"type": "DateTimeSerializer"},
        "MjAyMS0wMy0wNFQwNTowNjowN1o=",
        datetime.datetime(2021, 3, 4, 5, 6, 7, tzinfo=datetime.UTC),
    ),
    # CompressedSerializer(JSONSerializer(), format=…)
    "gzip": (
        {"type": "CompressedSerializer", "format": "gzip", "serializer": {"type": "JSONSerializer"}},
        "H4sIAA5pA2sC/6tWKsovL1ayUjDWUVDKS8xNBbGjlRKVgNwkpdhaAKcfW7ogAAAA",
        OBJECT,
    ),
    "bz2": (
        {"type": "CompressedSerializer", "format": "bz2", "serializer": {"type": "JSONSerializer"}},
        "QlpoOTFBWSZTWWXs9fgAAA8bgFAECBAACjIDmIogACGp6QMhoyFNMjExMRBYZ6GXAhWqgJDl2Txj0TPxdyRThQkGXs9fgA==",
        OBJECT,
    ),
    "lzma": (
        {"type": "CompressedSerializer", "format": "lzma", "serializer": {"type": "JSONSerializer"}},
        (
            "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAfeyJyb3dzIjogMywgIm5hbWVzIjogWyJhIiwgImIiXX0AADNvS0a0SDMAATggGCl3DB+2"
            "830BAAAAAARZWg=="
        ),
        OBJECT,
    ),
    "zlib": (
        {"type": "CompressedSerializer", "format": "zlib", "serializer": {"type": "JSONSerializer"}},
        "eJyrVirKLy9WslIw1lFQykvMTQWxo5USlYDcJKXYWgCZggji",
        OBJECT,
    ),
    # CompressedSerializer(PickleSerializer(), format="gzip")
    "compressed pickle": (
        {"type": "CompressedSerializer", "format": "gzip"},
        "H4sIAA5pA2sC/2tgnarEAAG1UzR6WIryy4uneDP3sOYl5qYWT4kFijEmTulhTJqSWqoHADwXOzctAAAA",
        OBJECT,
    ),
}
# PandasSerializer(…) of a DataFrame, `csv` with serialize_kwargs={"index": False}
FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
FRAMES = {"csv": "YSxiCjEseAoyLHkK", "json": "eyJhIjp7IjAiOjEsIjEiOjJ9LCJiIjp7IjAiOiJ4IiwiMSI6InkifX0="}


@pytest.mark.parametrize("written", [PICKLE, PICKLE_IN_BASE64])
def test_local_result_without_a_serializer_is_a_pickle(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "prefect-result-2021-03-04t05-06-07-890000-00-00"
    path.write_bytes(base64.b64decode(written))
    reference = served(
        {"dir": str(tmp_path), "location": str(path), "__version__": "1.4.1", "type": "LocalResult"},
    )
    with pytest.raises(results.UntrustedResult):
        results.load(reference)
    assert results.load(reference, trust=True) == OBJECT
    monkeypatch.setenv("TASKRUNS_TRUSTED_RESULTS", str(tmp_path))
    assert results.load(reference) == OBJECT


@pytest.mark.parametrize("kind", ["S3Result", "GCSResult", pytest.param("AzureResult", marks=AZURE)])
def test_object_without_a_serializer_is_a_pickle(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture, scheme = {"S3Result": ("s3", "s3"), "GCSResult": ("gcs", "gs"), "AzureResult": ("azure", "az")}[kind]
    request.getfixturevalue(fixture)
    location = "2021/3/4/7a1b4c8e.prefect_result"
    object_at(scheme, "flows", location).write(_write_pickle)
    member = "container" if kind == "AzureResult" else "bucket"
    reference = served({member: "flows", "location": location, "__version__": "1.4.1", "type": kind})
    with pytest.raises(results.UntrustedResult):
        results.load(reference)
    assert results.load(reference, trust=True) == OBJECT
    monkeypatch.setenv("TASKRUNS_TRUSTED_RESULTS", f"{scheme}://flows/2021")
    assert results.load(reference) == OBJECT


def test_prefect_result_is_the_value() -> None:
    reference = served(
        {"location": '{"rows": 3, "names": ["a", "b"]}', "__version__": "1.4.1", "type": "PrefectResult"}
    )
    assert results.load(reference) == OBJECT


@pytest.mark.parametrize(("serializer", "written", "value"), WRITTEN.values(), ids=WRITTEN)
def test_what_other_serializers_wrote_is_read(
    serializer: dict[str, Any], written: str, value: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(base64.b64decode(written))
    reference = served({"type": "LocalResult", "location": f"{tmp_path}/file", "serializer": serializer})
    assert results.load(reference, trust="serializer" not in serializer) == value


@pytest.mark.parametrize("file_type", FRAMES)
def test_frame_is_read(file_type: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(base64.b64decode(FRAMES[file_type]))
    serializer = {"type": "PandasSerializer", "file_type": file_type}
    reference = served({"type": "LocalResult", "location": f"{tmp_path}/file", "serializer": serializer})
    assert results.load(reference).equals(FRAME)


def test_nan_is_read_though_it_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"[NaN, 1]")
    reference = served(
        {"type": "LocalResult", "location": f"{tmp_path}/file", "serializer": {"type": "JSONSerializer"}}
    )
    first, second = results.load(reference)
    assert math.isnan(first)
    assert second == 1


def test_moment_without_a_zone_is_utc(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"2021-03-04T05:06:07")
    reference = served(
        {"type": "LocalResult", "location": f"{tmp_path}/file", "serializer": {"type": "DateTimeSerializer"}}
    )
    assert results.load(reference) == datetime.datetime(2021, 3, 4, 5, 6, 7, tzinfo=datetime.UTC)


def _write_pickle(sink: Sink) -> None:
    sink.write(base64.b64decode(PICKLE))
