"""What SQLite and PostgreSQL do differently: the only place that knows which is which. Callers never branch."""

from taskruns_service.dialects.connections import DATABASE_ERRORS, Trouble, limit_time, prepare_sqlite, trouble
from taskruns_service.dialects.expressions import (
    any_of,
    day_of,
    has_item,
    hour_of,
    insert_for,
    json_object,
    natural_key_in,
    percentile,
    seconds_between,
)
from taskruns_service.dialects.traits import DRIVERS, Traits, traits
from taskruns_service.dialects.types import (
    Id,
    Json,
    JsonSet,
    ListOfIds,
    ListOfTexts,
    Name,
    RowsParameter,
    Timestamp,
    decode_json,
    encode_json,
    utc_text,
)

__all__ = [
    "DATABASE_ERRORS",
    "DRIVERS",
    "Id",
    "Json",
    "JsonSet",
    "ListOfIds",
    "ListOfTexts",
    "Name",
    "RowsParameter",
    "Timestamp",
    "Traits",
    "Trouble",
    "any_of",
    "day_of",
    "decode_json",
    "encode_json",
    "has_item",
    "hour_of",
    "insert_for",
    "json_object",
    "limit_time",
    "natural_key_in",
    "percentile",
    "prepare_sqlite",
    "seconds_between",
    "traits",
    "trouble",
    "utc_text",
]
