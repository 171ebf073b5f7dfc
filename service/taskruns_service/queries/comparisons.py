"""Comparisons: a question about a window of time, asked of the same window some time before."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from taskruns_service import schemas
from taskruns_service.domain.errors import Fault, InvalidRequest
from taskruns_service.queries.aggregations import MAX_GROUPS, AggregateQuestion
from taskruns_service.queries.filters import Where

_DAY = timedelta(days=1)


def earlier_question(question: AggregateQuestion, distance: timedelta) -> AggregateQuestion:
    """The question about the window before, which asks for all groups; raises InvalidRequest if there is none."""
    where = _earlier_window(question, distance)
    return replace(
        question, where=where, measures=question.measured, sort=(), limit=MAX_GROUPS, compare=None, histogram=None
    )


def compared(
    question: AggregateQuestion, distance: timedelta, answer: schemas.Aggregate, earlier: schemas.Aggregate
) -> schemas.Aggregate:
    """The answer with what the window before has, in total and for each group.

    Raises InvalidRequest where that has too many groups.
    """
    if earlier.truncated:
        raise _refused(f"The window before has more than {MAX_GROUPS} groups. Narrow the filters, or group by less.")
    by_key = {_moved_key(group, question, distance): _previous(group) for group in earlier.groups or ()}
    nothing = schemas.Previous(count=0, measures=schemas.Measures(**dict.fromkeys(question.measured)))
    groups = [
        replace(group, previous=by_key.get(_moved_key(group, question, timedelta()), nothing))
        for group in answer.groups or ()
    ]
    return replace(answer, previous=_previous(earlier), groups=None if answer.groups is None else groups)


def _previous(answer: schemas.Aggregate | schemas.AggregateGroup) -> schemas.Previous:
    return schemas.Previous(count=answer.count, measures=answer.measures)


def _earlier_window(question: AggregateQuestion, distance: timedelta) -> Where:
    """The filters with all moments moved back; a window without an end ends now."""
    now = datetime.now(UTC)
    moments = {name: value for name, value in question.where.items() if isinstance(value, datetime)}
    for column in {name.rpartition("_")[0] for name in moments}:
        if not {f"{column}_lt", f"{column}_lte"} & moments.keys():
            moments[f"{column}_lt"] = now
    try:
        return {**question.where, **{name: _moved(value, question, -distance) for name, value in moments.items()}}
    except OverflowError:
        raise _refused("The window before begins before the year 1.") from None


def _refused(detail: str) -> InvalidRequest:
    return InvalidRequest(faults=(Fault(parameter="compare", detail=detail),))


def _moved_key(group: schemas.AggregateGroup, question: AggregateQuestion, distance: timedelta) -> Sequence[object]:
    """The values of a key, with its moments moved."""
    values = (getattr(group.key, name) for name in question.group_by)
    return tuple(_moved(value, question, distance) if isinstance(value, datetime) else value for value in values)


def _moved(moment: datetime, question: AggregateQuestion, distance: timedelta) -> datetime:
    """A moment some time later, in UTC: some days later it is when the clock of the time zone shows the same."""
    zone = UTC if question.zone is None or distance % _DAY else question.zone
    return (moment.astimezone(zone) + distance).astimezone(UTC)
