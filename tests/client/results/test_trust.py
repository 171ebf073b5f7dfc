"""Trust: what was pickled is loaded only from where the user trusts, whatever a reference says; all else always is."""

import os
import threading
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from taskruns import results
from taskruns.errors import InvalidSetting, ResultError
from taskruns.results import CompressedSerializer, JSONSerializer, PandasSerializer, UntrustedResult
from taskruns.results.files import file_at
from taskruns.results.objects import object_at
from tests.client.results.canary import Canary
from tests.client.results.conftest import Make
from tests.client.results.emulators import AZURE, BUCKET
from tests.client.results.references import served
from tests.security.polyglots import text_pickle

TRUSTED = "TASKRUNS_TRUSTED_RESULTS"
FRAME = pd.DataFrame({"a": [1]})
RUNS_CODE: dict[str, dict[str, Any]] = {
    "nothing said": {},
    "pickle": {"serializer": {"type": "PickleSerializer"}},
    "compressed pickle": {
        "serializer": {"type": "CompressedSerializer", "format": "gzip", "serializer": {"type": "PickleSerializer"}}
    },
    "compressed and nothing said": {"serializer": {"type": "CompressedSerializer", "format": "gzip"}},
    "pandas pickle": {"serializer": {"type": "PandasSerializer", "file_type": "pickle"}},
}
RUNS_NO_CODE: dict[str, tuple[results.Serializer, Any]] = {
    "json": (JSONSerializer(), {"a": 1}),
    "compressed json": (CompressedSerializer(JSONSerializer()), {"a": 1}),
    **{kind: (PandasSerializer(kind), FRAME) for kind in ("csv", "feather", "json", "parquet")},
}


# Local files


@pytest.fixture
def root(tmp_path: Path, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trusted folder, and the canary in it, beside it, and wherever a trick could lead."""
    root = tmp_path / "trusted"
    for folder in ("trusted", "trusted/sub", "trusted2", "outside", "outside/sub", "outside/trusted"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "evil").write_bytes(canary.pickled)
    (tmp_path / "trusted.evil").write_bytes(canary.pickled)
    (root / "link").symlink_to(tmp_path / "outside" / "evil")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "relative").symlink_to("../outside/evil")
    (root / "chain").symlink_to("relative")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    monkeypatch.setenv(TRUSTED, f"{root}, s3://flows/trusted")
    return root


LOCAL_TRICKS: dict[str, dict[str, str | None]] = {
    "outside": {"location": "{tmp}/outside/evil"},
    "outside of its own folder": {"dir": "{tmp}/outside", "location": "evil"},
    "an absolute path from a trusted folder": {"dir": "{root}", "location": "{tmp}/outside/evil"},
    "dots from a trusted folder": {"dir": "{root}", "location": "../outside/evil"},
    "dots in a path": {"location": "{root}/../outside/evil"},
    "dots in a folder": {"dir": "{root}/../outside", "location": "evil"},
    "dots after a folder": {"location": "{root}/sub/../../outside/evil"},
    "dots after a folder that is not there": {"location": "{root}/none/../../outside/evil"},
    "dots after slashes": {"location": "{root}//..//outside//evil"},
    "dots after a symlink": {"location": "{root}/folder/../outside/evil"},
    "a symlink": {"location": "{root}/link"},
    "a relative symlink": {"location": "{root}/relative"},
    "symlinks": {"location": "{root}/chain"},
    "a symlink to a folder": {"location": "{root}/folder/evil"},
    "a symlink to a folder as folder": {"dir": "{root}/folder", "location": "evil"},
    "a symlink to itself": {"location": "{root}/loop"},
    "a folder of like name": {"location": "{root}2/evil"},
    "a file of like name": {"location": "{root}.evil"},
    "a folder of the same name": {"location": "{tmp}/outside/trusted/evil"},
    "another case": {"location": "{ROOT}/evil"},
    "a file": {"location": "file://{tmp}/outside/evil"},
    "a file of localhost": {"location": "file://localhost{tmp}/outside/evil"},
    "dots in a URI": {"location": "file://{root}/../outside/evil"},
    "encoded dots in a URI": {"location": "file://{root}/%2e%2e/outside/evil"},
    "an encoded slash in a URI": {"location": "file://{root}/..%2Foutside%2Fevil"},
    "twice encoded dots in a URI": {"location": "file://{root}/%252e%252e/outside/evil"},
    "encoded dots in a path": {"dir": "{root}", "location": "%2e%2e/outside/evil"},
    "an encoded symlink": {"location": "file://{root}/%6cink"},
    "an encoded null byte": {"location": "file://{tmp}/outside/evil%00{root}/evil"},
    "overlong dots": {"location": "file://{root}/%c0%ae%c0%ae/outside/evil"},
    "a fragment": {"location": "file://{tmp}/outside/evil#{root}/evil"},
    "a fragment in a trusted folder": {"location": "file://{root}/evil#/../../outside/evil"},
    "a query": {"location": "file://{tmp}/outside/evil?{root}/evil"},
    "parameters": {"location": "file://{root}/..;/outside/evil"},
    "a host": {"location": "file://host{root}/evil"},
    "a host that is a folder": {"location": "file://..{tmp}/outside/evil"},
    "a user": {"location": "file://me@{root}/evil"},
    "one slash": {"location": "file:{tmp}/outside/evil"},
    "no slash": {"dir": "{root}", "location": "file:evil"},
    "four slashes": {"location": "file:///{tmp}/outside/evil"},
    "upper case": {"location": "FILE://{tmp}/outside/evil"},
    "a URI as folder": {"dir": "file://{root}", "location": "evil"},
    "another machine": {"location": "//host{root}/evil"},
    "another machine as folder": {"dir": "//host{root}", "location": "evil"},
    "a Windows path": {"location": "C:\\data\\evil"},
    "a Windows folder": {"dir": "C:\\data", "location": "evil"},
    "a Windows machine": {"location": "\\\\host\\share\\evil"},
    "backslashes": {"dir": "{root}", "location": "..\\outside\\evil"},
    "a null byte": {"location": "{tmp}/outside/evil\0{root}/evil"},
    "a line break": {"location": "{root}/evil\n"},
    "a relative path": {"location": "trusted/evil"},
    "a relative folder": {"dir": "trusted", "location": "evil"},
    "a home": {"location": "~/evil"},
    "a root of the process": {"location": "/proc/self/root{tmp}/outside/evil"},
    "the folder itself": {"location": "{root}"},
    "a slash": {"location": "/"},
    "a slash at the end": {"location": "{tmp}/outside/evil/"},
    "a dot": {"dir": "{root}", "location": "."},
    "a pipe": {"location": "{root}/pipe"},
    "a device": {"location": "/dev/zero"},
    "the standard input": {"location": "/dev/stdin"},
    "a name that is too long": {"dir": "{root}", "location": "a" * 5000},
    "another scheme": {"dir": "{root}", "location": "s3://flows/trusted/evil"},
    "a chain": {"location": "simplecache::file://{root}/evil"},
    "an archive": {"location": "zip://evil::file://{root}/evil"},
    "no location": {"dir": "{root}", "location": None},
}


@pytest.mark.parametrize("trick", LOCAL_TRICKS.values(), ids=LOCAL_TRICKS)
def test_trick_with_a_path_executes_nothing(
    trick: dict[str, str | None], root: Path, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    filled = {name: text and _filled(text, root) for name, text in trick.items()}
    for serializer in RUNS_CODE.values():
        with pytest.raises(ResultError):
            results.load(served({"type": "LocalResult", **filled, **serializer}))
    assert not canary.executed


@pytest.mark.parametrize("place", ["{root}/evil", "{root}/sub/evil", "file://{root}/evil", "file://{root}/%65vil"])
def test_pickle_in_a_trusted_folder_is_loaded(place: str, root: Path, canary: Canary) -> None:
    assert results.load(served({"type": "LocalResult", "location": _filled(place, root)})) is None
    assert canary.executed


def test_pickle_elsewhere_is_loaded_when_the_caller_says_so(root: Path, canary: Canary) -> None:
    reference = served({"type": "LocalResult", "location": f"{root}/link"})
    with pytest.raises(UntrustedResult, match=rf"{root.parent}/outside/evil .*trust=True.*{TRUSTED}"):
        results.load(reference)
    assert not canary.executed
    results.load(reference, trust=True)
    assert canary.executed


def test_trusted_folder_may_be_a_symlink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = results.LocalResult(tmp_path / "real").write({1})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv(TRUSTED, str(tmp_path / "link"))
    assert results.load(reference) == {1}


@pytest.mark.parametrize("able", [os.supports_dir_fd, set()], ids=["folders are held open", "they cannot be"])
def test_symlink_put_in_after_the_look_up_is_not_followed(
    able: set[Any], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "supports_dir_fd", able)
    folder, file = file_at(None, f"{root}/sub/evil"), file_at(None, f"{root}/evil")
    (root / "sub").rename(root / "sub.old")
    (root / "sub").symlink_to(root.parent / "outside")
    (root / "evil").unlink()
    (root / "evil").symlink_to(root.parent / "outside" / "evil")
    for place in (folder, file):
        with pytest.raises(ResultError), place.reading():
            pass


def test_symlink_that_comes_and_goes_executes_nothing(root: Path, canary: Canary) -> None:
    harmless = results.LocalResult(root / "sub").write({1})
    Path(root.parent / "outside" / "sub" / str(harmless.location)).write_bytes(canary.pickled)
    (root / "sub").rename(root / "changing")
    reference = served({"type": "LocalResult", "dir": str(root / "changing"), "location": harmless.location})
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            (root / "changing").rename(root / "aside")
            (root / "changing").symlink_to("../outside/sub")
            (root / "changing").unlink()
            (root / "aside").rename(root / "changing")

    changing = threading.Thread(target=change)
    changing.start()
    loaded = refused = 0
    try:
        while min(loaded, refused) < 50:
            try:
                assert results.load(reference) == {1}
                loaded += 1
            except ResultError:
                refused += 1
    finally:
        stop.set()
        changing.join()
    assert not canary.executed


def test_path_that_is_not_unicode_is_an_error(root: Path) -> None:
    with pytest.raises(results.InvalidReference):
        file_at(str(root), "\ud800")


@pytest.mark.parametrize("place", ["{root}/pipe", "/dev/zero", "/dev/stdin", "{root}", "/", "/dev/null"])
def test_what_is_no_regular_file_is_not_read_even_if_trusted(place: str, root: Path) -> None:
    reference = served({"type": "LocalResult", "location": _filled(place, root)})
    with pytest.raises(ResultError):
        results.load(reference, trust=True)


# Objects


OBJECT_TRICKS: dict[str, dict[str, str | None]] = {
    "outside": {"location": "evil"},
    "another bucket": {"bucket": "other", "location": "trusted/evil"},
    "a URL of another bucket": {"bucket": None, "location": "{scheme}://other/trusted/evil"},
    "a URL of another bucket than it says": {"location": "{scheme}://other/trusted/evil"},
    "a URL outside": {"location": "{scheme}://flows/evil"},
    "a bucket with a folder": {"bucket": "flows/trusted", "location": "../evil"},
    "a bucket with a trusted folder": {"bucket": "flows/trusted", "location": "evil"},
    "a bucket with a user": {"bucket": "trusted@flows", "location": "evil"},
    "a bucket that is a URL": {"bucket": "{scheme}://flows", "location": "trusted/evil"},
    "no bucket": {"bucket": None, "location": "flows/trusted/evil"},
    "no bucket in a URL": {"bucket": None, "location": "{scheme}:///flows/trusted/evil"},
    "a key of like name": {"location": "trusted2/evil"},
    "a key that begins alike": {"location": "trusted-evil"},
    "another case": {"location": "Trusted/evil"},
    "dots": {"location": "trusted/../evil"},
    "dots in a URL": {"location": "{scheme}://flows/trusted/../evil"},
    "one dot": {"location": "trusted/./evil"},
    "encoded dots": {"location": "trusted/%2e%2e/evil"},
    "an encoded slash": {"location": "trusted%2Fevil"},
    "an encoded name": {"location": "trusted/%65vil"},
    "an empty name": {"location": "trusted//evil"},
    "a slash before": {"location": "/trusted/evil"},
    "a slash after": {"location": "trusted/evil/"},
    "a folder": {"location": "trusted/"},
    "backslashes": {"location": "trusted\\..\\evil"},
    "a version": {"location": "evil?versionId=trusted/evil"},
    "a version in a trusted place": {"location": "trusted/evil?versionId=1"},
    "a generation": {"location": "trusted/evil#1"},
    "another scheme": {"location": "http://flows/trusted/evil"},
    "a scheme of another case": {"location": "{SCHEME}://flows/trusted/evil"},
    "a scheme of the library": {"location": "s3a://flows/trusted/evil"},
    "a file": {"location": "file:///etc/passwd"},
    "a chain": {"location": "simplecache::{scheme}://flows/trusted/evil"},
    "a chain after": {"location": "{scheme}://flows/trusted/evil::zip://evil"},
    "a null byte": {"location": "evil\0trusted/evil"},
    "a line break": {"location": "trusted/evil\n"},
    "a resource name": {"bucket": "arn:aws:s3:::flows", "location": "trusted/evil"},
    "no location": {"location": None},
}
KINDS = {"s3": ("S3Result", "bucket"), "gs": ("GCSResult", "bucket"), "az": ("AzureResult", "container")}
UPLOADED = ("evil", "trusted/evil", "trusted2/evil", "trusted-evil", "Trusted/evil", "trusted%2Fevil", "trusted//evil")


@pytest.fixture(params=["s3", "gs", pytest.param("az", marks=AZURE)])
def scheme(request: pytest.FixtureRequest, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> str:
    """The scheme of a storage with a trusted prefix, with the canary in it, beside it, and where tricks could lead."""
    request.getfixturevalue({"s3": "s3", "gs": "gcs", "az": "azure"}[request.param])
    for key in UPLOADED:
        object_at(request.param, BUCKET, key).write(canary.dump)
    monkeypatch.setenv(TRUSTED, f"{request.param}://flows/trusted,/somewhere/else")
    scheme: str = request.param
    return scheme


@pytest.mark.parametrize("trick", OBJECT_TRICKS.values(), ids=OBJECT_TRICKS)
def test_trick_with_a_key_executes_nothing(trick: dict[str, str | None], scheme: str, canary: Canary) -> None:
    for serializer in RUNS_CODE.values():
        with pytest.raises(ResultError):
            results.load(served({**_object(scheme, trick), **serializer}))
    assert not canary.executed


@pytest.mark.parametrize("location", ["trusted/evil", "{scheme}://flows/trusted/evil"])
def test_pickle_below_a_trusted_prefix_is_loaded(location: str, scheme: str, canary: Canary) -> None:
    assert results.load(served(_object(scheme, {"location": location}))) is None
    assert canary.executed


def test_prefix_of_one_storage_is_none_of_another(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in KINDS:
        others = ",".join(f"{other}://flows" for other in KINDS if other != scheme)
        monkeypatch.setenv(TRUSTED, others)
        with pytest.raises(UntrustedResult):
            results.load(served(_object(scheme, {"location": "trusted/evil"})))


@pytest.mark.parametrize(
    "root", ["s3://flows", "s3://flows/", "s3://flows/trusted/", "s3://flows/trusted/evil", "/a,s3://flows,/b"]
)
def test_root_is_a_bucket_a_prefix_or_a_key(
    root: str, s3: object, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    object_at("s3", BUCKET, "trusted/evil").write(canary.dump)
    monkeypatch.setenv(TRUSTED, root)
    results.load(served(_object("s3", {"location": "trusted/evil"})))
    assert canary.executed


# What was not pickled


def test_csv_result_is_unpickled_from_no_storage(make: Make, canary: Canary) -> None:
    """Its cells are a pickle of protocol 0; tests of security have every other pair of serializers."""
    header, *rows = text_pickle(canary.mark).decode().splitlines()
    storage = make(location="cells", serializer=PandasSerializer("csv"))
    written = storage.write(pd.DataFrame({header: rows}))
    for runs_code in RUNS_CODE.values():
        reference = msgspec.structs.replace(
            written, serializer=served({"type": "LocalResult", "location": "/x", **runs_code}).serializer
        )
        for load in (partial(results.load, trust=True), storage.read):
            with pytest.raises(results.ResultUnreadable, match="cannot load"):
                load(reference)
    assert not canary.executed


# What is trusted


@pytest.mark.parametrize(("serializer", "value"), RUNS_NO_CODE.values(), ids=RUNS_NO_CODE)
def test_what_runs_no_code_is_loaded_from_anywhere(
    serializer: results.Serializer, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, "")
    read = results.load(results.LocalResult(tmp_path, serializer=serializer).write(value))
    assert read.equals(value) if isinstance(value, pd.DataFrame) else read == value


def test_results_of_the_user_are_trusted_by_default_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = results.LocalResult().write({1})
    assert results.load(reference) == {1}
    monkeypatch.setenv(TRUSTED, "/data/results")
    with pytest.raises(UntrustedResult):
        results.load(reference)


def test_pickle_without_a_serializer_said_is_not_loaded_as_anything_else(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"a": 1}')
    with pytest.raises(UntrustedResult):
        results.load(served({"type": "LocalResult", "location": f"{tmp_path}/one.json"}))


def test_pickle_said_to_be_json_is_not_executed(root: Path, canary: Canary) -> None:
    for serializer in ("JSONSerializer", "DateTimeSerializer"):
        with pytest.raises(results.ResultUnreadable, match=serializer):
            results.load(
                served({"type": "LocalResult", "location": f"{root}/evil", "serializer": {"type": serializer}})
            )
    assert not canary.executed


@pytest.mark.parametrize(
    "root",
    [
        "results",
        "ftp://host/results",
        "s3://",
        "s3:///flows",
        "s3://a/../b",
        "file://host/results",
        "file:///a#b",
        "S3://a",
    ],
)
def test_root_that_is_no_place_is_an_error(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED, root)
    with pytest.raises(InvalidSetting, match=TRUSTED):
        results.load(results.LocalResult(tmp_path).write({1}))


def _filled(text: str, root: Path) -> str:
    return text.format(root=root, tmp=root.parent, ROOT=str(root).upper())


def _object(scheme: str, trick: dict[str, str | None]) -> dict[str, Any]:
    kind, member = KINDS[scheme]
    location = trick["location"]
    bucket = trick.get("bucket", BUCKET)
    return {
        "type": kind,
        member: bucket and bucket.format(scheme=scheme),
        "location": location and location.format(scheme=scheme, SCHEME=scheme.upper()),
    }
