"""The configuration file: a profile for each service, with its URL, its API key and how long to wait for it."""

import tomllib
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from taskruns import settings as variables
from taskruns.cli.param_types import nearest
from taskruns.type_aliases import Arguments

_MAX_BYTES = 1_000_000


class _Settings(Struct, forbid_unknown_fields=True):
    """What a profile says. A variable of the same name comes before each setting."""

    url: str | None = None
    api_key: str | None = None
    timeout: float | None = None
    max_retries: int | None = None


class _File(Struct, forbid_unknown_fields=True):
    profile: str | None = None
    profiles: dict[str, _Settings] = {}


class Profile(Struct, frozen=True):
    """A profile that was chosen."""

    name: str
    settings: _Settings

    @property
    def options(self) -> Arguments:
        """The options of a client that it says and the environment does not."""
        members = msgspec.structs.asdict(self.settings)
        return {name: value for name, value in members.items() if value is not None and not variables.is_set(name)}


def path() -> Path:
    """Where the file is: TASKRUNS_CONFIG, or `config.toml` in the folder that the system has for it."""
    from platformdirs import user_config_path

    return variables.config_file() or user_config_path("taskruns") / "config.toml"


def read_profile(name: str | None) -> Profile | None:
    """The profile with this name; that of TASKRUNS_PROFILE or of the file's `profile`; None if none is named.

    Raises:
        UsageError: If there is no such profile, or the file is not as it should be.
    """
    file = _read()
    if (name := name or variables.profile() or file.profile) is None:
        return None
    if (settings := file.profiles.get(name)) is None:
        have = f"The profiles are {', '.join(file.profiles)}." if file.profiles else "There are no profiles."
        raise _wrong(f"There is no profile {name!r}. {nearest(name, file.profiles)}{have}")
    return Profile(name, settings)


def _read() -> _File:
    try:
        with path().open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return _File()
    except OSError as error:
        raise _wrong(f"Cannot read the file: {error.strerror}.") from None
    if len(text) > _MAX_BYTES:
        raise _wrong(f"The file has more than {_MAX_BYTES} bytes.")
    try:
        return msgspec.convert(tomllib.loads(text.decode()), _File)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(f"The file is not TOML: {error}.") from None
    except msgspec.ValidationError as error:
        raise _wrong(f"{error}. A profile is a table such as [profiles.staging] with {_SETTINGS}.") from None


_SETTINGS = ", ".join(_Settings.__struct_fields__)


def _wrong(sentence: str) -> click.UsageError:
    return click.UsageError(f"{path()}: {sentence}")
