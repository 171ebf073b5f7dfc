"""The configuration file: a profile for each service, with its URL, its API key and how long to wait for it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from taskruns import settings as variables
from taskruns.cli.values import nearest

_TYPES: dict[str, tuple[type, ...]] = {"url": (str,), "api_key": (str,), "timeout": (int, float), "max_retries": (int,)}
"""The settings of a profile; a variable of the same name comes before each."""
_MAX_BYTES = 1_000_000


class Profile(NamedTuple):
    """What a profile says."""

    name: str
    settings: Mapping[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        """The options of a client, of which the environment says nothing."""
        return {name: value for name, value in self.settings.items() if not variables.is_set(name)}


def path() -> Path:
    """Where the file is: TASKRUNS_CONFIG, or `config.toml` in the folder that the system has for it."""
    from platformdirs import user_config_path

    return variables.config_file() or user_config_path("taskruns") / "config.toml"


def read_profile(name: str | None) -> Profile | None:
    """The profile with this name; that of TASKRUNS_PROFILE or of the file's `profile`; None if none is named.

    Raises:
        UsageError: If there is no such profile, or the file is not as it should be.
    """
    name = name or variables.profile()
    document = _document()
    _refuse_unknown("key", document, ("profile", "profiles"))
    if (name := name or document.get("profile")) is None:
        return None
    profiles = document.get("profiles", {})
    if not isinstance(name, str) or not isinstance(profiles, dict):
        raise _wrong("`profile` is a name, and each profile is a table such as [profiles.staging].")
    if not isinstance(settings := profiles.get(name), dict):
        have = f"There are {', '.join(profiles)}." if profiles else "There are none."
        raise _wrong(f"There is no profile {name!r}. {nearest(name, profiles)}{have}")
    _refuse_unknown("setting", settings, tuple(_TYPES))
    for setting, value in settings.items():
        if not isinstance(value, _TYPES[setting]) or isinstance(value, bool):
            kind = "a text" if str in _TYPES[setting] else "a number"
            raise _wrong(f"{setting} of the profile {name!r} is {value!r}: it has to be {kind}.")
    return Profile(name, settings)


def _document() -> dict[str, Any]:
    try:
        with path().open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _wrong(f"It can not be read: {error.strerror}.") from None
    if len(text) > _MAX_BYTES:
        raise _wrong(f"It has more than {_MAX_BYTES} bytes.")
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(f"It is not TOML: {error}.") from None


def _refuse_unknown(what: str, found: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in found:
        if name not in known:
            raise _wrong(f"There is no {what} {name!r}. {nearest(name, known)}There are {', '.join(known)}.")


def _wrong(sentence: str) -> click.UsageError:
    return click.UsageError(f"{path()}: {sentence}")
