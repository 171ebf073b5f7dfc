"""Imports the database of a Prefect Server 1: what it recorded, as if it had been reported to this service."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import NamedTuple

from sqlalchemy import URL

from taskruns_service.prefect1.importing.catalogue import copy_catalogue
from taskruns_service.prefect1.importing.runs import Group, known_flow_runs
from taskruns_service.prefect1.importing.source import Piece, read_runs, read_source_url, reading
from taskruns_service.storage import dialects, tally
from taskruns_service.storage.database import Database, open_database

QUERY_TIMEOUT = 3600.0  # seconds
TRANSACTION = 20_000
"""Task runs that are written in one transaction: the more, the fewer times the pages of an index are written."""


class Imported(NamedTuple):
    """What an import copied, by kind, and what there is to say about it."""

    copied: Counter[str]
    notes: list[str]


Progress = Callable[[int, int], None]
"""Is told how many task runs are done, of how many."""


async def import_prefect1(url: str, target: Database, progress: Progress, *, with_logs: bool = True) -> Imported:
    """Copies what is not here yet, from one moment of a database that is only read.

    Flow runs come in groups, each in one transaction with all that belongs to it: an import that was interrupted goes
    on where it was when it is run again. Raises ConfigurationError when the database is not Prefect Server's or can
    not be read.
    """
    with _collecting_seldom():
        return await _import(read_source_url(url), target, progress, with_logs=with_logs)


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Looks for cycles of objects only between transactions: rows have none, and it takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


async def _import(url: URL, target: Database, progress: Progress, *, with_logs: bool) -> Imported:
    opened = open_database(url, pool_size=1, query_timeout=QUERY_TIMEOUT, is_pooled=target.is_pooled)
    async with opened as database, reading(database) as source:
        copied, notes = await copy_catalogue(source, target)
        total, done = await source.count("task_run"), 0

        def show(piece: Piece) -> None:
            nonlocal done
            progress(done := done + piece.task_runs_done, total)

        pieces = _ahead(read_runs(source, lambda ids: target.read(known_flow_runs, ids), with_logs=with_logs))
        async with aclosing(pieces):
            while (piece := await anext(pieces, None)) is not None:
                if piece.flow_runs:
                    copied += await _write(target, piece, pieces, show)
                    gc.collect()
                else:
                    show(piece)
        while await target.transact(tally.fold) == tally.FOLD_BATCH_SIZE:
            pass
    for name in ("flow runs", "task runs"):
        if left_out := copied.pop(f"{name} left out", 0):
            notes.append(f"Skipped {name} whose flow, flow run, or task is missing: {left_out}.")
    if left_out := copied.pop("places left out", 0):
        notes.append(f"Skipped locations and links that contain a password or are misleading: {left_out}.")
    return Imported(+copied, notes)


async def _write(
    target: Database, first: Piece, rest: AsyncGenerator[Piece, None], show: Callable[[Piece], None]
) -> Counter[str]:
    """Writes pieces in one transaction, until the end of a group of flow runs; what was copied."""
    piece: Piece | None = first
    copied: Counter[str] = Counter()
    group = Group()
    async with target.transaction() as session:
        await session.run(dialects.expect_many_rows)
        while piece is not None:
            if piece.flow_runs:
                group = Group()
            await session.run(group.write, piece)
            show(piece)
            if piece.ends:
                copied += group.copied
                if copied["task runs"] >= TRANSACTION:
                    break
            piece = await anext(rest, None)
    return copied


async def _ahead(pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
    """Reads the next piece while one is written."""

    async def following() -> Piece | None:
        return await anext(pieces, None)

    async with aclosing(pieces):
        coming = asyncio.create_task(following())
        try:
            while (piece := await coming) is not None:
                coming = asyncio.create_task(following())
                yield piece
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
