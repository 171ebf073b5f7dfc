"""Storages: what is written comes back, from the storage itself and from its reference, and nothing else does."""

import datetime
import os
import pickle
import stat
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskruns import results
from taskruns.results import (
    CompressedSerializer,
    DateTimeSerializer,
    InvalidReference,
    JSONSerializer,
    PandasSerializer,
    PickleSerializer,
)
from taskruns_service.domain.results import check_reference
from tests.client.results.conftest import Make
from tests.client.results.emulators import AZURE, BUCKET
from tests.client.results.references import served

pytestmark = [
    # aiohttp would rather have a stream than 16 MiB at once, which is what adlfs gives it.
    pytest.mark.filterwarnings("ignore:Sending a large body directly with raw bytes:ResourceWarning"),
]
MOMENT = datetime.datetime(2026, 3, 4, 5, 6, 7, 890, datetime.timezone(datetime.timedelta(hours=2)))
FRAME = pd.DataFrame({"id": [1, 2], "name": ["a", "b"]})
OBJECT = {"rows": 3, "names": ["a", None, "ü"]}
VALUES: dict[str, tuple[results.Serializer, Any]] = {
    "pickle": (PickleSerializer(), {1, 2, (3, b"4")}),
    "json": (JSONSerializer(), OBJECT),
    "datetime": (DateTimeSerializer(), MOMENT),
    **{f"pandas-{kind}": (PandasSerializer(kind), FRAME) for kind in ("csv", "feather", "json", "parquet", "pickle")},
    **{kind: (CompressedSerializer(JSONSerializer(), kind), OBJECT) for kind in ("bz2", "gzip", "lzma", "zlib")},
    "compressed-pickle": (CompressedSerializer(PickleSerializer()), {1, 2}),
    "compressed-parquet": (CompressedSerializer(PandasSerializer("parquet"), "zlib"), FRAME),
}
FLOW_RUN_ID = "0198c2f4-8f4b-7b34-9a3c-0d8b1f9a2c11"


@pytest.mark.parametrize(("serializer", "value"), VALUES.values(), ids=VALUES)
def test_value_comes_back_from_every_storage(make: Make, serializer: results.Serializer, value: Any) -> None:
    storage = make(serializer=serializer)
    reference = storage.write(value)
    for read in (storage.read(reference), results.load(reference, trust=True)):
        assert read.equals(value) if isinstance(value, pd.DataFrame) else read == value


@pytest.mark.parametrize(("serializer", "value"), VALUES.values(), ids=VALUES)
def test_reference_is_the_one_that_the_service_hands_out(
    make: Make, serializer: results.Serializer, value: Any
) -> None:
    reference = make(serializer=serializer).write(value, flow_run_id=FLOW_RUN_ID, task_slug="load data-1")
    wired = results.wire(reference)
    check_reference(wired)
    assert served(wired) == reference
    assert "uri" not in wired
    assert None not in wired.values()


def test_another_serializer_than_that_of_the_storage_is_honoured(make: Make) -> None:
    reference = make(serializer=JSONSerializer()).write(OBJECT)
    assert make(serializer=PickleSerializer()).read(reference) == OBJECT


@settings(max_examples=25, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_comes_back(make: Make, value: Any) -> None:
    storage = make(serializer=JSONSerializer(), location="json/{task_slug}")
    assert results.load(storage.write(value, task_slug="one")) == value


@settings(max_examples=25, deadline=None)
@given(st.datetimes(timezones=st.timezones()).filter(lambda moment: 1 < moment.year < 9999))
def test_moment_comes_back_with_its_offset(make: Make, moment: datetime.datetime) -> None:
    storage = make(serializer=DateTimeSerializer(), location="moment/{task_slug}")
    read = results.load(storage.write(moment, task_slug="one"))
    # Equal moments in different zones are not `==` in the hour that is there twice.
    assert read.astimezone(datetime.UTC) == moment.astimezone(datetime.UTC)


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_result_of_any_slug_lies_in_the_storage_under_a_name_of_its_own(make: Make, slug: str) -> None:
    storage = make(serializer=JSONSerializer())
    reference = storage.write(slug, flow_run_id=FLOW_RUN_ID, task_slug=slug)
    assert reference.location.count("/") == 1
    assert results.load(reference) == storage.read(reference) == slug
    assert storage.exists(reference)


def test_large_result_comes_back(make: Make) -> None:
    value = os.urandom(20 << 20)
    reference = make().write(value)
    assert reference.size > len(value)
    assert results.load(reference, trust=True) == value


def test_empty_file_comes_back(make: Make) -> None:
    empty = pd.DataFrame()
    storage = make(serializer=PandasSerializer("json"))
    assert storage.read(storage.write(empty)).empty


def test_second_result_of_a_task_takes_the_place_of_the_first(make: Make) -> None:
    storage = make(serializer=JSONSerializer())
    first = storage.write("first", flow_run_id=FLOW_RUN_ID, task_slug="again")
    second = storage.write("second", flow_run_id=FLOW_RUN_ID, task_slug="again")
    assert first.location == second.location
    assert storage.read(second) == "second"
    with pytest.raises(results.DigestMismatch):
        storage.read(first)


def test_existence_is_of_results_and_not_of_folders(make: Make) -> None:
    storage = make(serializer=JSONSerializer(), location="{flow_name}/{task_slug}.json")
    reference = storage.write(1, flow_name="etl", task_slug="load")
    assert storage.exists(reference)
    assert storage.exists("{flow_name}/load.json", flow_name="etl")
    assert not storage.exists("{flow_name}/other.json", flow_name="etl")
    assert not storage.exists("{flow_name}", flow_name="etl")


def test_missing_result_is_an_error(make: Make) -> None:
    storage = make()
    reference = msgspec.structs.replace(storage.write(1), location="nothing")
    for read in (storage.read, lambda one: results.load(one, trust=True)):
        with pytest.raises(results.ResultMissing, match="nothing"):
            read(reference)


def test_result_that_was_not_written_is_an_error(make: Make) -> None:
    storage = make()
    reference = msgspec.structs.replace(storage.write(1), location=None)
    with pytest.raises(results.ResultMissing, match="no location"):
        storage.read(reference)


def test_none_is_kept_without_being_written(make: Make) -> None:
    storage = make(location="none/{task_slug}")
    reference = storage.write(None, task_slug="one")
    assert reference == served({"type": "ConstantResult"})
    assert storage.read(reference) is results.load(reference) is None
    assert storage.exists(reference)
    assert not storage.exists("none/one")


@pytest.mark.parametrize("serializer", [JSONSerializer(), DateTimeSerializer(), PandasSerializer("parquet")])
def test_value_that_the_serializer_does_not_take_is_an_error_and_leaves_nothing(
    make: Make, serializer: results.Serializer
) -> None:
    storage = make(serializer=serializer, location="refused/{task_slug}")
    with pytest.raises(results.ResultNotWritten, match="type set"):
        storage.write({1}, task_slug="one")
    assert not storage.exists("refused/one")


def test_storage_travels(make: Make) -> None:
    storage = make(serializer=CompressedSerializer(JSONSerializer()), location="{task_slug}")
    sent = pickle.loads(pickle.dumps(storage))
    assert sent == storage
    assert storage.read(sent.write(1, task_slug="travelled")) == 1


@pytest.mark.parametrize("location", ["../other", "a/../../b", "ftp://flows/x", "s3://elsewhere/x"])
def test_storage_reads_nothing_that_lies_elsewhere(make: Make, location: str) -> None:
    storage = make()
    reference = msgspec.structs.replace(storage.write(1), location=location)
    for ask in (storage.read, storage.exists):
        with pytest.raises(InvalidReference):
            ask(reference)


def test_storage_reads_no_reference_to_another_storage(make: Make) -> None:
    others = {"type": "S3Result", "bucket": "other", "location": "x"}, {"type": "LocalResult", "location": "/x"}
    for given_ in (*others, {"type": "SecretResult", "location": "TOKEN"}, {"type": "PrefectResult", "location": "1"}):
        with pytest.raises(InvalidReference):
            make().read(served(given_))


def test_folder_reads_nothing_that_lies_outside(tmp_path: Path) -> None:
    outside = results.LocalResult(tmp_path / "outside").write(1)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    for reference in (outside, msgspec.structs.replace(outside, dir=str(tmp_path / "inside" / "link"))):
        with pytest.raises(InvalidReference, match="does not lie in"):
            results.LocalResult(tmp_path / "inside").read(reference)


def test_key_may_be_a_whole_url(s3: object) -> None:
    storage = results.S3Result(BUCKET, serializer=JSONSerializer(), location="url/{task_slug}")
    storage.write(1, task_slug="one")
    reference = served({"type": "S3Result", "location": "s3://flows/url/one", "serializer": {"type": "JSONSerializer"}})
    assert storage.read(reference) == results.load(reference) == 1


def test_storage_options_are_used_and_never_shown(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in s3:
        monkeypatch.delenv(name)
    options = {"key": "key", "secret": "hidden-secret", "endpoint_url": s3["AWS_ENDPOINT_URL"]}
    storage = results.S3Result(BUCKET, storage_options=options)
    reference = storage.write(1)
    assert storage.read(reference) == 1
    assert repr(storage) == "S3Result(bucket='flows', serializer=PickleSerializer())"
    assert "hidden-secret" not in f"{reference!r}{results.wire(reference)}"


@pytest.mark.parametrize("kind", ["s3", "gcs", pytest.param("azure", marks=AZURE)])
def test_error_of_a_storage_names_the_place_and_no_credentials(kind: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(kind)
    made = {"s3": results.S3Result, "gcs": results.GCSResult, "azure": results.AzureResult}[kind]("nowhere")
    with pytest.raises(results.ResultNotWritten, match="://nowhere/") as caught:
        made.write(1)
    assert caught.value.__cause__
    assert "secret" not in str(caught.value)


# Local files


def test_files_and_their_folders_are_the_users_own(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        results.LocalResult(tmp_path / "a" / "b").write(1, flow_run_id=FLOW_RUN_ID, task_slug="load", map_index=3)
    finally:
        os.umask(old)
    file = tmp_path / "a" / "b" / FLOW_RUN_ID / "load" / "3.pickle"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (file, *file.parents[:4])}
    assert modes == {file: 0o600} | dict.fromkeys(file.parents[:4], 0o700)
    assert list(file.parent.iterdir()) == [file]


def test_results_without_a_folder_are_in_the_users_home(home: Path) -> None:
    reference = results.LocalResult().write({1}, flow_run_id=FLOW_RUN_ID, task_slug="load")
    assert reference.uri == f"file://{home}/results/{FLOW_RUN_ID}/load.pickle"
    assert results.load(reference) == {1}


def test_folder_is_absolute_and_may_start_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert results.LocalResult("mine") == results.LocalResult("~/mine") == results.LocalResult(tmp_path / "mine")


def test_write_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(results.ResultNotWritten):
        results.LocalResult(tmp_path / "results", serializer=JSONSerializer()).write({1})
    assert list((tmp_path / "results").iterdir()) == []


def test_folder_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(results.ResultNotWritten, match="file/"):
        results.LocalResult(tmp_path / "file").write(1)


# Values in references


@pytest.mark.parametrize("value", [0, "", [], {"a": [1, None]}, "ü", 1.5, True])
def test_value_in_the_reference_comes_back(value: Any) -> None:
    for storage in (results.PrefectResult(), results.ConstantResult(value)):
        reference = storage.write(value)
        check_reference(results.wire(reference))
        assert served(results.wire(reference)) == reference
        assert storage.read(reference) == results.load(reference) == value
        assert storage.exists(reference)


@pytest.mark.parametrize("storage", [results.PrefectResult(), results.ConstantResult(1)])
def test_none_is_always_a_constant(storage: results.Storage) -> None:
    assert results.wire(storage.write(None)) == {"type": "ConstantResult", "value": None}


def test_value_that_json_can_not_say_is_in_no_reference() -> None:
    for write in (results.PrefectResult().write, results.ConstantResult):
        for value in ({1}, float("nan"), MOMENT):
            with pytest.raises(results.ResultNotWritten):
                write(value)


def test_constant_is_nothing_else() -> None:
    with pytest.raises(results.ResultNotWritten, match="always 1"):
        results.ConstantResult(1).write(2)


def test_nulls_within_a_value_stay() -> None:
    reference = results.ConstantResult({"a": None}).write({"a": None})
    assert results.wire(reference) == {"type": "ConstantResult", "value": {"a": None}}


def test_inline_storages_read_nothing_else() -> None:
    secret = served({"type": "SecretResult", "location": "TOKEN"})
    for storage in (results.PrefectResult(), results.ConstantResult(1)):
        assert not storage.exists(secret)
        with pytest.raises(InvalidReference):
            storage.read(secret)


# What is not for this package


UNSUPPORTED: dict[str, tuple[dict[str, Any], str]] = {
    "a secret": ({"type": "SecretResult", "location": "TOKEN"}, "secret 'TOKEN'"),
    "a result type of the user's own": ({"type": "MyResult", "location": "k"}, r"MyResult.*reference\.given"),
    "a serializer of the user's own": (
        {"type": "LocalResult", "location": "/x", "serializer": {"type": "MySerializer"}},
        "MySerializer",
    ),
    "pandas files of another type": (
        {"type": "LocalResult", "location": "/x", "serializer": {"type": "PandasSerializer", "file_type": "hdf"}},
        "hdf",
    ),
    "another compression": (
        {"type": "LocalResult", "location": "/x", "serializer": {"type": "CompressedSerializer", "format": "zip"}},
        "zip",
    ),
    "what is compressed twice": (
        {
            "type": "LocalResult",
            "location": "/x",
            "serializer": {
                "type": "CompressedSerializer",
                "format": "gzip",
                "serializer": {"type": "CompressedSerializer", "format": "gzip"},
            },
        },
        "does not compress a compressed",
    ),
}


@pytest.mark.parametrize(("given_", "told"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_is_not_for_this_package_is_told(given_: dict[str, Any], told: str) -> None:
    with pytest.raises(results.UnsupportedResult, match=told):
        results.load(served(given_), trust=True)


def test_references_of_others_go_back_as_they_came() -> None:
    for given_, _ in UNSUPPORTED.values():
        assert results.wire(served(given_)) == given_
