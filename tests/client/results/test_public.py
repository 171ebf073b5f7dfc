"""What the package shows: exactly what it exports, documented, and errors that travel between processes."""

import inspect
import pickle
from pathlib import Path

import pytest

from taskruns import results
from taskruns.errors import ResultError
from taskruns.results import errors

PAGE = (Path(__file__).parents[3] / "docs" / "results.md").read_text()
ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


def test_everything_public_is_exported_and_sorted() -> None:
    modules = {"serializers", "storages", "errors", "inline", "loading", "locations", "references", "streams", "trust"}
    modules |= {"compression", "extras", "files", "folders", "frames", "objects", "signatures"}
    public = {name for name in vars(results) if not name.startswith("_")} - modules
    assert public == set(results.__all__)
    assert results.__all__ == sorted(results.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))


def test_everything_public_is_documented() -> None:
    for name in results.__all__:
        thing = getattr(results, name)
        assert not callable(thing) or inspect.getdoc(thing), name


@pytest.mark.parametrize("kind", ERRORS)
def test_error_says_what_happened_and_travels(kind: type[ResultError]) -> None:
    assert issubclass(kind, ResultError)
    assert kind.__name__ in results.__all__
    assert len((kind.__doc__ or "").splitlines()) == 1
    sent = pickle.loads(pickle.dumps(kind("what happened")))
    assert (type(sent), str(sent)) == (kind, "what happened")


@pytest.mark.parametrize("name", [name for name in results.__all__ if inspect.isclass(getattr(results, name))])
def test_page_names_every_class(name: str) -> None:
    assert f"`{name}" in PAGE or name == "Fields"


@pytest.mark.parametrize("name", results.Fields.__annotations__)
def test_page_names_every_field_of_a_location(name: str) -> None:
    assert f"`{{{name}" in PAGE
