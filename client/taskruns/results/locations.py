"""The templates of locations: which names they know, and how values are put in so that none climbs or adds a folder."""

import datetime
import re
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import TypedDict
from uuid import UUID, uuid4

from taskruns.results.errors import InvalidTemplate
from taskruns.type_aliases import Arguments


class Fields(TypedDict, total=False):
    """What may be known of a task run when its result is written; each is a name for templates."""

    date: datetime.datetime
    """The moment that all dates are made from, with its time zone; now in UTC if it is not given."""
    flow_name: str
    flow_run_id: UUID | str
    flow_run_name: str
    map_index: int
    """The index of the item for a child of a mapped task run, starting at 0; otherwise -1."""
    parameters: Mapping[str, object]
    """The parameters of the flow run: `{parameters[name]}`."""
    task_name: str
    task_run_id: UUID | str
    task_run_name: str
    task_slug: str


_OF_RUN = "{flow_run_id}/{task_slug}"
_OF_CHILD = "{flow_run_id}/{task_slug}/{map_index}"
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_NAMES = {*Fields.__annotations__, *_DAYS}
_KNOWN = sorted(_NAMES - {"parameters"} | {"parameters[…]"})
_FIELD = re.compile(r"(?P<name>[a-z_]+)(?:\[(?P<key>[^\[\]]+)\])?")
# What separates folders or the parts of a URL, what Windows takes in no name, and what no text may have. `=` is what
# they are written with. A percent sign is not: what is percent-encoded may be decoded on its way.
_SPECIAL = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:;*?"<>|#%=\ud800-\udfff]')
_REFUSED = re.compile(r"[\x00-\x1f\x7f\\:?#%]")
_CLIMBING = {"": "=", ".": "=2E", "..": "=2E=2E"}


def check(template: str) -> None:
    """Raises InvalidTemplate, with what is wrong, if a template could not be rendered or leads out of its storage."""
    tried = "".join(literal + ("x" if name else "") for literal, name, _, _ in _parts(template))
    if special := _REFUSED.search(tried):
        raise InvalidTemplate(f"The location {template!r} cannot contain {special[0]!r} outside of a field.")
    if _CLIMBING.keys() & set(tried.split("/")):
        raise InvalidTemplate(f"The location {template!r} must be relative, without `.`, `..`, and empty names.")


def render(template: str | None, extension: str, fields: Fields) -> str:
    """Returns the location for a result; without a template one by flow run and task, or a new one where none is known.

    Raises InvalidTemplate if the template needs a value that `fields` do not have, or `fields` have an unknown name.
    """
    if unknown := sorted(fields.keys() - Fields.__annotations__.keys()):
        raise InvalidTemplate(f"{unknown[0]!r} is not a field of a location. The fields are {', '.join(_KNOWN)}.")
    if template is None:
        if not {"flow_run_id", "task_slug"} <= fields.keys():
            return f"{uuid4()}{extension}"
        template = (_OF_CHILD if fields.get("map_index", -1) >= 0 else _OF_RUN) + extension
    values = _values(fields)
    rendered = "".join(
        literal + (_quoted(_value(values, name, key), spec) if name else "")
        for literal, name, key, spec in _parts(template)
    )
    return "/".join(_CLIMBING.get(segment, segment) for segment in rendered.split("/"))


def _parts(template: str) -> Iterator[tuple[str, str, str | None, str]]:
    """Yields literal text, and the name, key and format of the field after it; the name is empty where none follows."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise InvalidTemplate(f"The location {template!r} is not a template: {error}.") from None
    for literal, field, spec, conversion in parsed:
        if field is None:
            yield literal, "", None, ""
            continue
        match = _FIELD.fullmatch(field)
        if (
            not match
            or match["name"] not in _NAMES
            or (match["name"] == "parameters") != bool(match["key"])
            or conversion
            or "{" in (spec or "")
        ):
            raise InvalidTemplate(f"{{{field}}} is not a field of a location. The fields are {', '.join(_KNOWN)}.")
        yield literal, match["name"], match["key"], spec or ""


def _values(fields: Fields) -> Arguments:
    moment = fields.get("date") or datetime.datetime.now(datetime.UTC)
    days = {name: (moment + datetime.timedelta(days=days)).date() for name, days in _DAYS.items()}
    return {**fields, **days, "date": moment}


def _value(values: Arguments, name: str, key: str | None) -> object:
    try:
        return values[name] if key is None else values["parameters"][key]
    except KeyError:
        wanted = name if key is None else f"parameters[{key}]"
        raise InvalidTemplate(f"There is no {{{wanted}}} for this result.") from None


def _quoted(value: object, spec: str) -> str:
    """Formats a value, so that it is one name or a part of one; only the format of a date may make folders."""
    try:
        text = format(value, spec)
    except (TypeError, ValueError) as error:
        raise InvalidTemplate(f"The format {spec!r} does not apply to {type(value).__name__}: {error}.") from None
    folders = text.split("/") if isinstance(value, datetime.date) else [text]
    return "/".join(_SPECIAL.sub(_escaped, folder) for folder in folders)


def _escaped(special: re.Match[str]) -> str:
    return "".join(f"={byte:02X}" for byte in special[0].encode("utf-8", "surrogatepass"))
