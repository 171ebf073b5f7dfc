"""Which places are trusted: the one place that compares them with TASKRUNS_TRUSTED_RESULTS."""

from pathlib import Path

from taskruns import settings
from taskruns.errors import InvalidSetting
from taskruns.results.errors import InvalidReference, UntrustedResult
from taskruns.results.files import File, path_of
from taskruns.results.objects import Object, object_at

_SETTING = "TASKRUNS_TRUSTED_RESULTS"


def check_trust(place: File | Object) -> None:
    """Raises UntrustedResult unless a place lies below one that the user trusts; InvalidSetting if that is no place."""
    if not any(_lies_below(place, root) for root in settings.trusted_results()):
        raise UntrustedResult(
            f"{place.name} was pickled, and to unpickle it runs code of whoever wrote it. If you trust them, load it "
            f"with `trust=True`, or name a place above it in {_SETTING}."
        )


def _lies_below(place: File | Object, root: str) -> bool:
    scheme, separator, rest = root.partition("://")
    bucket, _, prefix = rest.rstrip("/").partition("/")
    try:
        if separator and scheme in ("s3", "gs", "az"):
            object_at(scheme, bucket, prefix or "any")
            return isinstance(place, Object) and place.lies_below(scheme, bucket, prefix)
        path = path_of(root) if separator else Path(root).expanduser()
    except InvalidReference as error:
        raise InvalidSetting(f"{_SETTING} has {root!r}: {error}") from None
    if not path.is_absolute():
        raise InvalidSetting(f"{_SETTING} has {root!r}: it has to be an absolute path, or s3://, gs:// or az://.")
    return isinstance(place, File) and place.lies_below(str(path))
