"""What writing and reading results raises: one class for each thing that can be wrong."""

from taskruns.errors import ResultError


class DigestMismatch(ResultError):
    """What lies at the place is not what was written there: its size or its digest is another."""


class InvalidReference(ResultError):
    """The reference names no place that this storage could have a result at."""


class InvalidTemplate(ResultError, ValueError):
    """The template of a location can not be read, leads out of the storage, or names what is not known."""


class MissingExtra(ResultError):
    """A library is missing that comes with an extra of this package."""


class ResultMissing(ResultError):
    """Nothing lies at the place."""


class ResultNotWritten(ResultError):
    """The serializer does not take the value, or the storage does not take what was written."""


class ResultTooLarge(ResultError):
    """The result has more bytes than the caller takes, as it lies there or once it is unpacked."""


class ResultUnreadable(ResultError):
    """The storage does not hand out what lies at the place, or the serializer can make nothing of it."""


class UnsupportedResult(ResultError):
    """Results of this kind are not for this package to load."""


class UntrustedResult(ResultError):
    """Loading this result could run code of whoever wrote it, and nobody said that its place is to be trusted."""
