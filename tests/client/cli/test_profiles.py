"""The configuration file: which profile counts, what comes before it, and files that are not as they should be."""

from pathlib import Path

import pytest

from tests.client.cli.running import run
from tests.client.cli.world import World

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file that is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "taskruns").mkdir()
    return tmp_path / "taskruns" / "config.toml"


def test_profile_says_where_the_service_is(file: Path, world: World) -> None:
    file.write_text(f'[profiles.here]\nurl = "{world.url}"\n\n[profiles.nowhere]\nurl = "{NOWHERE}"\nmax_retries = 0\n')
    assert run("flow-run", "ls", "-q", "--profile", "here").code == 0
    assert run("--profile", "here", "flow-run", "ls", "-q").code == 0
    assert run("flow-run", "ls", "-q", TASKRUNS_PROFILE="here").code == 0
    assert run("flow-run", "ls", "-q", "--profile", "nowhere").code == 1
    file.write_text('profile = "here"\n' + file.read_text())
    assert run("flow-run", "ls", "-q").code == 0
    assert run("flow-run", "ls", "-q", TASKRUNS_PROFILE="nowhere").code == 1
    assert run("flow-run", "ls", "-q", "--profile", "here", TASKRUNS_PROFILE="nowhere").code == 0


def test_environment_comes_before_the_profile_and_options_before_both(file: Path, world: World) -> None:
    file.write_text(f'profile = "nowhere"\n[profiles.nowhere]\nurl = "{NOWHERE}"\nmax_retries = 0\n')
    assert run("flow-run", "ls", "-q").code == 1
    assert run("flow-run", "ls", "-q", TASKRUNS_URL=world.url).code == 0
    assert run("flow-run", "ls", "-q", "--url", world.url).code == 0
    assert run("flow-run", "ls", "-q", "--url", world.url, TASKRUNS_URL=NOWHERE).code == 0


def test_config_shows_what_counts_and_no_key(file: Path) -> None:
    file.write_text('[profiles.staging]\nurl = "http://127.0.0.1:7"\napi_key = "trk_s3cret"\ntimeout = 5\n')
    done = run("config", "--profile", "staging")
    assert (done.code, done.err) == (0, "")
    assert [line.split(maxsplit=1)[-1] for line in done.out.splitlines()] == [
        *(str(file), "staging", "http://127.0.0.1:7", "key  set", "5 s"),
    ]
    assert "s3cret" not in done.out


def test_file_that_is_named_is_read(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('profile = "other"\n[profiles.other]\nurl = "http://127.0.0.1:9"\n')
    assert "http://127.0.0.1:9" in run("config", TASKRUNS_CONFIG=other).out


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("", ["--profile", "prod"], "There is no profile 'prod'. There are no profiles."),
        (
            "[profiles.prod]",
            ["--profile", "prot"],
            "There is no profile 'prot'. Did you mean prod? The profiles are prod.",
        ),
        ("[profiles.prod", [], "The file is not TOML: "),
        ("[profile.prod]", [], "Expected `str | null`, got `object` - at `$.profile`. A profile is a table such as"),
        ('profiles = "prod"', [], "Expected `object`, got `str` - at `$.profiles`."),
        ("[profils.prod]", [], "Object contains unknown field `profils`."),
        ("[profiles.a]\nuri = 1", [], "Object contains unknown field `uri` - at `$.profiles[...]`. A profile is"),
        ("[profiles.a]\nurl = 1", [], "Expected `str | null`, got `int` - at `$.profiles[...].url`."),
        ("[profiles.a]\ntimeout = true", [], "Expected `float | null`, got `bool` - at `$.profiles[...].timeout`."),
        ("x" * 1_000_001, [], "The file has more than 1000000 bytes."),
    ],
    ids=lambda value: str(value)[:20],
)
def test_file_that_is_wrong_is_one_line_and_exit_code_2(
    text: str, arguments: list[str], message: str, file: Path
) -> None:
    file.write_text(text)
    done = run("flow-run", "ls", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"taskruns flow-run ls: {file}: {message}")
    assert done.err.count("\n") == 1
