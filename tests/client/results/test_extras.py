"""Extras: what works without them, what names the one that is missing, and that importing the package loads none."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARIES = ("adlfs", "cloudpickle", "fsspec", "gcsfs", "numpy", "pandas", "pyarrow", "s3fs")
# How Python says that a library is not to be had: importing it is an ImportError then.
WITHOUT = f"import sys; sys.modules.update(dict.fromkeys({LIBRARIES}))\n"


def python(code: str, home: Path) -> str:
    """Runs code in a new interpreter, and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,
        env={"TASKRUNS_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_no_extra(home: Path) -> None:
    code = f"import sys, taskruns.results; print([name for name in {LIBRARIES} if name in sys.modules])"
    assert python(code, home) == "[]"


def test_core_needs_no_extra(home: Path) -> None:
    code = """
import datetime
from taskruns import results
from taskruns.results import CompressedSerializer, DateTimeSerializer, JSONSerializer, LocalResult, PickleSerializer
now = datetime.datetime.now(datetime.UTC)
for serializer, value in (
    (PickleSerializer(), {1, 2}),
    (JSONSerializer(), [1]),
    (DateTimeSerializer(), now),
    (CompressedSerializer(PickleSerializer(), "bz2"), {1}),
):
    storage = LocalResult(serializer=serializer)
    assert storage.read(storage.write(value)) == results.load(storage.write(value)) == value
for storage in (results.PrefectResult(), results.ConstantResult(1)):
    assert results.load(storage.write(1)) == 1
print("done")
"""
    assert python(WITHOUT + code, home) == "done"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("S3Result('flows').write(1)", "S3Result needs s3fs: install the extra `s3` of taskruns"),
        ("GCSResult('flows').write(1)", "GCSResult needs gcsfs: install the extra `gcs` of taskruns"),
        ("AzureResult('flows').write(1)", "AzureResult needs adlfs: install the extra `azure` of taskruns"),
        ("S3Result('flows').exists('x')", "S3Result needs s3fs: install the extra `s3` of taskruns"),
        (
            "LocalResult(serializer=PandasSerializer('csv')).write(1)",
            "PandasSerializer needs pandas: install the extra `pandas` of taskruns",
        ),
        (
            "LocalResult(serializer=PandasSerializer('parquet')).write(1)",
            "PandasSerializer needs pyarrow: install the extra `pandas` of taskruns",
        ),
        (
            "LocalResult().write(lambda: 1)",
            "A value of type function needs cloudpickle: install the extra `pickle` of taskruns",
        ),
    ],
)
def test_missing_extra_is_named(code: str, told: str, home: Path) -> None:
    tried = f"""
from taskruns.results import *
try:
    {code}
except MissingExtra as error:
    print(error)
"""
    assert python(WITHOUT + tried, home) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("__import__('threading').Lock()", "cannot pickle '_thread.lock' object"),
        ("__import__('sys')", "needs cloudpickle: install the extra `pickle` of taskruns"),
    ],
)
def test_extra_is_named_only_of_values_that_it_takes(value: str, told: str, home: Path) -> None:
    tried = f"""
from taskruns.errors import ResultError
from taskruns.results import *
try:
    LocalResult().write({value})
except ResultError as error:
    print(error)
"""
    assert told in python(WITHOUT + tried, home)


def test_pickle_that_needs_cloudpickle_names_its_extra(home: Path) -> None:
    import cloudpickle

    home.mkdir()
    (home / "function").write_bytes(cloudpickle.dumps(lambda: 1))
    tried = f"""
from taskruns import models
from taskruns.results import *
reference = models.LocalResult(
    dir=None, location="{home}/function", digest=None, serializer=None, size=None, uri=None
)
try:
    load(reference, trust=True)
except MissingExtra as error:
    print(error)
"""
    assert python(WITHOUT + tried, home) == "This pickle needs cloudpickle: install the extra `pickle` of taskruns"


def test_with_its_extra_almost_anything_is_pickled(home: Path) -> None:
    from taskruns.results import LocalResult, load

    number = 41
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(lambda: number + 1)
    assert load(LocalResult().write(lambda: number + 1))() == 42
