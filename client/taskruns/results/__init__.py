"""Results of tasks: how they are stored, written, and loaded."""

from taskruns.results.errors import (
    DigestMismatch,
    InvalidReference,
    InvalidTemplate,
    MissingExtra,
    ResultMissing,
    ResultNotWritten,
    ResultTooLarge,
    ResultUnreadable,
    UnsupportedResult,
    UntrustedResult,
)
from taskruns.results.inline import ConstantResult, PrefectResult
from taskruns.results.loading import load
from taskruns.results.locations import Fields
from taskruns.results.references import wire
from taskruns.results.serializers import (
    CompressedSerializer,
    DateTimeSerializer,
    JSONSerializer,
    PandasSerializer,
    PickleSerializer,
    Serializer,
)
from taskruns.results.storages import AzureResult, GCSResult, LocalResult, S3Result, Storage
from taskruns.results.streams import DEFAULT_MAX_BYTES

__all__ = [
    "DEFAULT_MAX_BYTES",
    "AzureResult",
    "CompressedSerializer",
    "ConstantResult",
    "DateTimeSerializer",
    "DigestMismatch",
    "Fields",
    "GCSResult",
    "InvalidReference",
    "InvalidTemplate",
    "JSONSerializer",
    "LocalResult",
    "MissingExtra",
    "PandasSerializer",
    "PickleSerializer",
    "PrefectResult",
    "ResultMissing",
    "ResultNotWritten",
    "ResultTooLarge",
    "ResultUnreadable",
    "S3Result",
    "Serializer",
    "Storage",
    "UnsupportedResult",
    "UntrustedResult",
    "load",
    "wire",
]
