"""Loads what a reference names: found, fetched within bounds, verified, and only then turned into a value."""

import json
from typing import Any

from taskruns import models
from taskruns.errors import ResultError
from taskruns.printable import escape_causes
from taskruns.results.errors import DigestMismatch, InvalidReference, ResultMissing, ResultUnreadable, UnsupportedResult
from taskruns.results.files import File, file_at
from taskruns.results.objects import Object, object_at
from taskruns.results.serializers import serializer_of
from taskruns.results.streams import DEFAULT_MAX_BYTES, Measured, move, pieces, spooled_file, too_large
from taskruns.results.trust import check_trust

_ALGORITHMS = ("blake2b", "sha256", "sha384", "sha512")


def load(reference: models.ResultReference, *, trust: bool = False, max_bytes: int = DEFAULT_MAX_BYTES) -> Any:
    """Returns the value that a reference names. The reference is not trusted.

    Pickled results are loaded only with `trust`, or from a place below one of TASKRUNS_TRUSTED_RESULTS; all others run
    no code. `max_bytes` limits what is read, and its decompressed size. Storages are accessed with the credentials in
    the environment. Raises the errors of `taskruns.results.errors`.
    """
    match reference:
        case models.ConstantResult():
            return reference.value
        case models.PrefectResult():
            return load_inline(reference, max_bytes)
        case models.SecretResult():
            raise UnsupportedResult(f"The result is the secret {reference.location!r}, which is stored elsewhere.")
        case models.CustomResult():
            raise UnsupportedResult(
                f"{reference.name} is not a result type of this package: read it yourself, with `reference.given`."
            )
        case models.LocalResult():
            place: File | Object = file_at(reference.dir, written_location(reference))
        case models.S3Result():
            place = object_at("s3", reference.bucket, written_location(reference))
        case models.GCSResult():
            place = object_at("gs", reference.bucket, written_location(reference))
        case models.AzureResult():
            place = object_at("az", reference.container, written_location(reference))
    if serializer_of(reference.serializer).runs_code and not trust:
        check_trust(place)
    return load_stored(reference, place, max_bytes)


def written_location(reference: models.ResultReference) -> str:
    """Returns the location of a reference; raises ResultMissing if it has none."""
    if not reference.location:
        raise ResultMissing("The result was not stored: its reference has no location.")
    return reference.location


def load_stored(reference: models.ResultReference, place: File | Object, max_bytes: int) -> object:
    """Returns the value at a place, with no more question of trust."""
    serializer = serializer_of(reference.serializer)
    with spooled_file() as fetched:
        with place.reading() as (size, file):
            if size > max_bytes:
                raise too_large(place.name, max_bytes)
            measured = Measured(fetched, _algorithm(reference))
            move(pieces(file), measured, max_bytes, place.name)
        if reference.size not in (None, measured.size):
            raise DigestMismatch(
                f"{place.name} has {measured.size} bytes, but had {reference.size} when it was written."
            )
        if reference.digest and reference.digest.lower() != measured.digest:
            raise DigestMismatch(
                f"{place.name} does not have the digest {reference.digest} that it had when it was written."
            )
        fetched.seek(0)
        try:
            return serializer.load(fetched, max_bytes)
        except ResultError:
            raise
        except Exception as error:
            escape_causes(error)
            detail = f"{type(error).__name__}: {error}"
            raise ResultUnreadable(f"{serializer!r} cannot load {place.name}: {detail}") from error


def load_inline(reference: models.PrefectResult, max_bytes: int) -> object:
    """Returns the value that a reference has itself, as JSON text."""
    text = written_location(reference)
    if len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise too_large("The PrefectResult", max_bytes)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResultUnreadable(f"The location of the PrefectResult is not JSON: {error}") from error


def _algorithm(reference: models.ResultReference) -> str:
    algorithm, _, _ = (reference.digest or "sha256:").lower().partition(":")
    if algorithm not in _ALGORITHMS:
        raise InvalidReference(
            f"The result has a digest of the unknown algorithm {algorithm!r}. The known ones are "
            f"{', '.join(_ALGORITHMS)}."
        )
    return algorithm
