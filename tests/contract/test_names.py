"""Holds names to be nouns and verbs of the field: pronouns and participles may only become fewer."""

from pathlib import Path

import pytest

from tests.contract.names import ROOT, WORDS, bound_names, names_by_package

MOST = {
    "taskruns": 0,
    "taskruns.cli": 0,
    "taskruns.live": 0,
    "taskruns.recording": 2,
    "taskruns.results": 0,
    "taskruns_service": 0,
    "taskruns_service.api": 0,
    "taskruns_service.commands": 0,
    "taskruns_service.domain": 0,
    "taskruns_service.live": 0,
    "taskruns_service.prefect1": 0,
    "taskruns_service.queries": 0,
    "taskruns_service.schemas": 0,
    "taskruns_service.server": 0,
    "taskruns_service.storage": 0,
    "taskruns_service.web": 0,
    "tests": 10,
}
"""How many there may be in each package. Lower the number where you say a noun instead; there is never one more."""


def test_every_package_has_a_bound() -> None:
    assert MOST.keys() == names_by_package().keys()


@pytest.mark.parametrize("package", MOST)
def test_names_are_nouns_and_verbs(package: str) -> None:
    names = names_by_package()[package]
    places = [f"{name.file.relative_to(ROOT)}:{name.line} {name.text}" for name in names if name.says_no_noun]
    assert len(places) <= MOST[package], "\n".join(places)


def test_every_way_to_bind_a_name_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        """
import json as one
class given: ...
async def sent(here, *made, found=1, **asked): ...
told: int = 0
for kept in (lambda taken: taken, [what for what in ""]):
    kept.how = 1
match kept:
    case [1, *of]: ...
    case {"a": 1, **left}: ...
    case more: ...
try: ...
except Exception as some: ...
"""
    )
    assert {name.text for name in bound_names(file) if name.says_no_noun} == WORDS


def test_a_word_with_other_words_is_a_name(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("made_at = one_row = how_many = somebody = 1\n_one = given_ = 2\n")
    assert [name.text for name in bound_names(file) if name.says_no_noun] == ["_one", "given_"]
