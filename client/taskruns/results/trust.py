"""Which places are trusted: the one place that compares them with TASKRUNS_TRUSTED_RESULTS."""

import re
from pathlib import Path

from taskruns import settings
from taskruns.errors import InvalidSetting
from taskruns.results.compression import FORMATS
from taskruns.results.errors import InvalidReference, UntrustedResult
from taskruns.results.files import File, path_of
from taskruns.results.frames import FILE_TYPES
from taskruns.results.objects import Object, object_at

_SETTING = "TASKRUNS_TRUSTED_RESULTS"
# Not `.txt`, which DateTimeSerializer writes: flows of Prefect 1 often give it to what they pickle.
_HARMLESS_TYPES = "|".join(name for name, file_type in FILE_TYPES.items() if not file_type.runs_code)
_COMPRESSIONS = "|".join(re.escape(compression.extension) for compression in FORMATS.values())
_HARMLESS_NAME = re.compile(rf"\.({_HARMLESS_TYPES})({_COMPRESSIONS})?$", re.IGNORECASE)


def check_name(place: File | Object) -> None:
    """Raises UntrustedResult for a pickle at a place that is named as what runs no code, such as `x.csv`, `x.json.gz`.

    The serializers of this package give their results these names, so that a reference by another serializer
    contradicts what was written.
    """
    if extension := _HARMLESS_NAME.search(place.name):
        raise UntrustedResult(
            f"{place.name} is named like a {extension[0]} file, but its reference says that it was pickled. Unpickling "
            f"it runs code of its author: if you know that it is a pickle, load it with `trust=True`."
        )


def check_trust(place: File | Object) -> None:
    """Raises UntrustedResult unless a place lies below one that the user trusts; InvalidSetting if that is no place."""
    check_name(place)
    if not any(_lies_below(place, root) for root in settings.trusted_results()):
        raise UntrustedResult(
            f"{place.name} was pickled, and unpickling it runs code of its author. If you trust the author, load it "
            f"with `trust=True`, or add a place above it to {_SETTING}."
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
        raise InvalidSetting(f"{_SETTING} has {root!r}, which must be an absolute path, or s3://, gs://, or az://.")
    return isinstance(place, File) and place.lies_below(str(path))
