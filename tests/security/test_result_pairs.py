"""Results that one serializer wrote and a second reference has another one read: what was not pickled runs no code.

Whoever may report states names places and serializers; whoever feeds a flow chooses texts in its results. Together they
had their code executed in trusted places.
"""

import datetime
import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from msgspec.structs import replace

from taskruns import models, results
from taskruns.errors import ResultError
from taskruns.results import (
    CompressedSerializer,
    DateTimeSerializer,
    JSONSerializer,
    PandasSerializer,
    PickleSerializer,
    Serializer,
    UntrustedResult,
)
from tests.client.results.canary import Canary
from tests.security.polyglots import TEXTS

FORMATS = ("bz2", "gzip", "lzma", "zlib")


def with_compressed(serializers: dict[str, Any], compress: Callable[[Any, str], Any]) -> dict[str, Any]:
    """Returns serializers, and each of them compressed with each format."""
    return serializers | {
        f"{name} in {compression}": compress(serializer, compression)
        for name, serializer in serializers.items()
        for compression in FORMATS
    }


WRITERS: dict[str, Serializer] = with_compressed(
    {
        "json": JSONSerializer(),
        "datetime": DateTimeSerializer(),
        **{f"pandas {kind}": PandasSerializer(kind) for kind in ("csv", "feather", "json", "parquet")},
    },
    CompressedSerializer,
)
PICKLE_READERS: dict[str, models.Serializer | None] = with_compressed(
    {
        "no serializer": None,
        "pickle": models.PickleSerializer(),
        "pandas pickle": models.PandasSerializer(file_type="pickle"),
    },
    lambda inner, compression: models.CompressedSerializer(format=compression, serializer=inner),
)
READERS = PICKLE_READERS | {name: serializer.wire() for name, serializer in WRITERS.items()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the user trusts."""
    monkeypatch.setenv("TASKRUNS_TRUSTED_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    """A value that leaves a mark when it is unpickled."""
    return Canary(str(tmp_path / "executed"))


def value_of(serializer: Serializer, text: str) -> Any:
    """Returns a value with a text of the attacker's, as much of it as the serializer takes."""
    match serializer:
        case CompressedSerializer():
            return value_of(serializer.inner, text)
        case DateTimeSerializer():
            return datetime.datetime(2026, 3, 4, tzinfo=datetime.UTC)
        case PandasSerializer():
            header, *rows = text.removesuffix("\n").split("\n")
            return pd.DataFrame({header: rows})
        case _:
            return text


def ways_to_load(reference: models.ResultReference, storage: results.LocalResult) -> Iterator[Callable[[], Any]]:
    """Yields the calls that read a result."""
    yield lambda: results.load(reference)
    yield lambda: results.load(reference, trust=True)
    yield lambda: storage.read(reference)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("writer", WRITERS)
def test_result_that_was_not_pickled_runs_no_code_whoever_reads_it(
    writer: str, text: str, folder: Path, canary: Canary
) -> None:
    """Its name does not tell how it was written: only its bytes do."""
    storage = results.LocalResult(folder, location="result", serializer=WRITERS[writer])
    written = storage.write(value_of(WRITERS[writer], TEXTS[text](canary.mark).decode()))
    for reader, serializer in READERS.items():
        for digest in (written.digest, None):
            reference = replace(written, serializer=serializer, digest=digest, size=None)
            for load in ways_to_load(reference, storage):
                if reader in PICKLE_READERS:
                    with pytest.raises(ResultError, match="cannot load"):
                        load()
                else:
                    # Some make something of it, as of JSON that is a csv file with one column.
                    with suppress(ResultError):
                        load()
                assert not canary.executed, reader


@pytest.mark.parametrize("text", TEXTS)
def test_text_of_the_attack_is_what_the_csv_file_holds(text: str, folder: Path, canary: Canary) -> None:
    """Were it quoted, it would be no attack."""
    attack = TEXTS[text](canary.mark)
    storage = results.LocalResult(folder, location="result", serializer=PandasSerializer("csv"))
    storage.write(value_of(storage.serializer, attack.decode()))
    assert (folder / "result").read_bytes() == attack


@pytest.mark.parametrize("name", ["rows.csv", "rows.JSON", "rows.parquet", "rows.feather.gz", "rows.json.xz"])
def test_pickle_with_the_name_of_another_serializer_is_refused_before_it_is_read(
    name: str, folder: Path, canary: Canary
) -> None:
    reference = results.LocalResult(folder, location=name).write(canary)
    for serializer in PICKLE_READERS.values():
        renamed = replace(reference, serializer=serializer)
        with pytest.raises(UntrustedResult, match="is named like a"):
            results.load(renamed)
        with pytest.raises(UntrustedResult, match="is named like a"):
            results.LocalResult(folder, serializer=JSONSerializer()).read(renamed)
    assert not canary.executed
    results.load(reference, trust=True)
    assert canary.executed


def test_storage_reads_what_it_wrote_itself_under_any_name(folder: Path) -> None:
    storage = results.LocalResult(folder, location="rows.csv")
    assert storage.read(storage.write({1, 2})) == {1, 2}


@pytest.mark.parametrize("compression", FORMATS)
def test_compressed_pickle_is_read_as_the_format_that_it_has(compression: str, folder: Path) -> None:
    storage = results.LocalResult(folder, serializer=CompressedSerializer(PickleSerializer(), compression))
    written = storage.write({1, 2})
    assert results.load(written) == {1, 2}
    for other in FORMATS:
        if other != compression:
            serializer = models.CompressedSerializer(format=other, serializer=models.PickleSerializer())
            with pytest.raises(results.ResultUnreadable, match=f"does not start like {other}"):
                results.load(replace(written, serializer=serializer))


@pytest.mark.parametrize("protocol", range(6))
def test_only_protocols_that_no_text_begins_as_are_unpickled(protocol: int, folder: Path) -> None:
    folder.mkdir()
    (folder / "result").write_bytes(pickle.dumps({"rows": 3}, protocol))
    reference = replace(results.LocalResult(folder).write(1), location="result", digest=None, size=None)
    if protocol >= 2:
        assert results.load(reference) == {"rows": 3}
    else:
        with pytest.raises(results.ResultUnreadable, match="protocol 2 to 5"):
            results.load(reference, trust=True)


def test_value_in_a_reference_is_never_unpickled(canary: Canary) -> None:
    for text in TEXTS.values():
        location = text(canary.mark).decode()
        for serializer in PICKLE_READERS.values():
            inline = replace(results.PrefectResult().write(1), location=location, serializer=serializer)
            with pytest.raises(results.ResultUnreadable, match="not JSON"):
                results.load(inline, trust=True)
            constant = replace(results.ConstantResult(location).write(location), serializer=serializer)
            assert results.load(constant, trust=True) == location
    assert not canary.executed
