"""The errors of writing and reading results."""

from taskruns.errors import ResultError


class DigestMismatch(ResultError):
    """The stored result differs from what was written: its size or its digest does not match."""


class InvalidReference(ResultError):
    """The reference does not name a place in this storage."""


class InvalidTemplate(ResultError, ValueError):
    """The template of a location is malformed, leads out of the storage, or has an unknown field."""


class MissingExtra(ResultError):
    """A library is missing; an extra of this package installs it."""


class ResultMissing(ResultError):
    """There is no result at the place."""


class ResultNotWritten(ResultError):
    """The serializer cannot write the value, or the storage cannot store it."""


class ResultTooLarge(ResultError):
    """The result exceeds the caller's limit in bytes, as stored or after decompression."""


class ResultUnreadable(ResultError):
    """The storage cannot read the result, or the serializer cannot load it."""


class UnsupportedResult(ResultError):
    """This package cannot load results of this kind."""


class UntrustedResult(ResultError):
    """Loading this result could run code of its author, and its place is not trusted."""
