"""Places of results: which are taken, and that a URI leads nowhere but to a place."""

from typing import Any

import pytest

from taskruns_service.domain.results import SCHEMES, check_places, check_reference, read_reference

SCRIPTS = [
    *("javascript://x", " javascript://x", "JavaScript://x", "javascript:alert(1)", "\u00a0javascript://%0aalert(1)"),
    *(
        "\ufeffjavascript:x",
        "\u200bjavascript://x",
        "vbscript://x",
        "VBScript:x",
        "data:text/html,x",
        " data://x",
        "data:,x",
    ),
    *("\uff4aavascript://x", "data:;base64,eA==", "\u3000javascript:x"),
]
USERS = ["https://user:secret@host/x", "s3://key:secret@bucket/x", "HTTPS://user@host/x", "https://host\uff20other/x"]
CONTROLS = ["java\tscript://x", "\x01javascript://x", "a\nb", "\x1b[2J"]
LONG = "a" * 4097
UNKNOWN = ["view-source://x", "jar://x", "about://x", "mine://x", "Intent://x", "chrome://x", " mine://x"]
PLACES = ["location", "dir", "bucket", "container"]
FINE = [
    *(
        "8e44/name.json",
        "/data/results/x",
        r"C:\results\x",
        "C:/x",
        "C://x",
        r"\\server\share\x",
        "2021-05-12T18:00:01.json",
    ),
    *(
        "run:1/x",
        "data/x",
        "javascript/x",
        "logs/mine://x",
        "a@b.json",
        "https://host/a@b",
        "s3a://bucket/x",
        "data:1.json",
    ),
]


@pytest.mark.parametrize("member", PLACES)
@pytest.mark.parametrize("place", [*SCRIPTS, *USERS, *CONTROLS, LONG], ids=lambda place: repr(place)[:40])
def test_place_that_misleads_is_refused_in_any_reference(member: str, place: str) -> None:
    reference = {"type": "MyResult", "location": "x", member: place}
    for check in (check_reference, check_places):
        with pytest.raises(ValueError, match=f"`{member}` of a result cannot|`{member}` of a result can have"):
            check(reference)


@pytest.mark.parametrize("place", UNKNOWN)
def test_scheme_that_no_place_has_is_refused(place: str) -> None:
    reference = {"type": "MyResult", "location": place}
    with pytest.raises(ValueError, match="`location` of a result cannot have the scheme"):
        check_reference(reference)
    check_places(reference)  # of Prefect 1, whose results may have schemes of their own
    read = read_reference(reference)
    assert read is not None
    assert read.uri is None


@pytest.mark.parametrize("place", [*FINE, *(f"{scheme}://host/x" for scheme in SCHEMES.split())])
def test_plain_place_is_taken(place: str) -> None:
    check_reference({"type": "MyResult", "location": place})
    check_places({"type": "MyResult", "location": place})


@pytest.mark.parametrize("type_", ["LocalResult", "S3Result", "GCSResult", "AzureResult", "MyResult"])
@pytest.mark.parametrize("place", [*SCRIPTS, *USERS, *CONTROLS, *UNKNOWN], ids=lambda place: repr(place)[:40])
def test_uri_leads_to_a_place_of_a_known_scheme(type_: str, place: str) -> None:
    """Whatever an earlier version has recorded."""
    for folder in (None, "/data", place):
        read = read_reference({"type": type_, "location": place, "dir": folder, "bucket": "b", "container": "c"})
        assert read is not None
        assert read.uri is None or read.uri.partition("://")[0].lower() in SCHEMES.split()


@pytest.mark.parametrize(
    "reference",
    [
        {"type": "PrefectResult", "location": '"javascript://user:x@host"'},
        {"type": "PrefectResult", "location": "NaN"},
        {"type": "ConstantResult", "value": "javascript:x"},
        {"type": ["S3Result"], "location": {"a": 1}, "dir": None, "bucket": 5},
        {"type": "NoResultType"},
        {},
    ],
)
def test_member_that_is_no_place_is_not_checked(reference: dict[str, Any]) -> None:
    check_places(reference)
