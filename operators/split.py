"""Batches of the input partitions into one piece for each symbol group, and on to order groups."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from domain.batch import Batch, Input
from domain.columns import DETAIL, HAS_DETAIL
from domain.keys import GROUP_KEYS
from domain.vocabulary import Topic
from operators.arrays import joined
from operators.feed import spoken
from operators.kernel import Table, kernel
from operators.pieces import (
    HALT,
    HORIZON,
    INDEX_MID,
    STAMPED,
    Arrivals,
    OrderPiece,
    Stamped,
    names_in,
)


@kernel
def group_order(group: Table, order: Table, start: Table, at: Table) -> None:
    """Write the stable order of rows by group, and where each group starts and ends.

    `start` holds zeros, one more than there are groups; `at` is room for as many.
    """
    for i in range(group.shape[0]):
        start[group[i] + 1] += 1
    for g in range(start.shape[0] - 1):
        start[g + 1] += start[g]
        at[g] = start[g]
    for i in range(group.shape[0]):
        g = group[i]
        order[at[g]] = i
        at[g] += 1


def by_group(rows: np.ndarray, field: str, groups: int) -> tuple[np.ndarray, list[int]]:
    """Rows sorted by a group field, stored order kept, and where each group starts."""
    start = np.zeros(groups + 1, np.int64)
    if not len(rows):
        return rows, start.tolist()
    order = np.empty(len(rows), np.int64)
    group_order(rows[field], order, start, np.zeros(groups + 1, np.int64))
    return rows.take(order), start.tolist()


def groups_fed(inputs: Iterable[Input], groups: int) -> dict[int, range]:
    """Symbol groups that each input partition feeds.

    A market partition feeds the groups whose symbols it carries; every other partition feeds
    all groups, since an order's symbol may be in any.
    """
    inputs = tuple(inputs)
    partitions = sum(i.topic is Topic.MARKET_DATA for i in inputs)
    return {
        i.index: range(i.partition % partitions, groups, partitions)
        if i.topic is Topic.MARKET_DATA
        else range(groups)
        for i in inputs
    }


def split_batches(
    batches: Sequence[Batch], fed: Mapping[int, range], groups: int
) -> list[tuple[str, Arrivals]]:
    """One piece for every symbol group that some batch's partition feeds, also without rows.

    `fed` is what `groups_fed` says.
    """
    progress = [(batch.source, batch.watermark, batch.ended) for batch in batches]
    heard = [(batch.source, spoken(batch.market)) for batch in batches if len(batch.market)]
    parts: dict[int, list[Batch]] = {
        g: [] for source in {batch.source for batch in batches} for g in fed[source]
    }
    before: dict[int, int] = {}
    for batch in batches:
        if batch.references and batch.told:
            batch.told = [max(told, before.get(batch.source, told)) for told in batch.told]
        if len(batch.market) or len(batch.events) or batch.references:
            _deal(batch, fed[batch.source], groups, parts)
        before[batch.source] = batch.watermark
    return [(GROUP_KEYS[g], Arrivals(g, progress, parts[g], heard)) for g in sorted(parts)]


def _deal(batch: Batch, fed: range, groups: int, parts: dict[int, list[Batch]]) -> None:
    if len(batch.details):
        at = np.searchsorted(batch.events["pos"], batch.details["pos"])
        batch.events["flags"][at] |= HAS_DETAIL
        batch.details["order_group"] = batch.events["order_group"][at]
    market, market_start = by_group(batch.market, "group", groups)
    events, event_start = by_group(batch.events, "market_group", groups)
    for g in fed:
        ticks = market[market_start[g] : market_start[g + 1]]
        rows = events[event_start[g] : event_start[g + 1]]
        if len(ticks) or len(rows) or batch.references:
            part = Batch(
                source=batch.source,
                market=ticks,
                events=rows,
                references=batch.references,
                told=batch.told,
                watermark=batch.watermark,
                ended=batch.ended,
            )
            if len(rows):
                part.names = batch.names
                part.details = _of_events(batch.details, rows)
            parts[g].append(part)


def _of_events(details: np.ndarray, events: np.ndarray) -> np.ndarray:
    if not len(details):
        return details
    return details[np.isin(details["pos"], events["pos"])]


def route_to_orders(
    pieces: Iterable[tuple[str, Stamped]], groups: int
) -> list[tuple[str, OrderPiece]]:
    """Join what several symbol groups gave and deal it out to the order groups."""
    stamped = [piece for _, piece in pieces]
    watermarks = {p.group: (p.event_watermark, p.watermark, p.end) for p in stamped}
    events, event_start = _dealt([p.events for p in stamped], STAMPED, groups)
    horizons, horizon_start = _dealt([p.horizons for p in stamped], HORIZON, groups)
    shown, shown_start = _dealt([p.provisional for p in stamped], STAMPED, groups)
    details, detail_start = _dealt([p.details for p in stamped], DETAIL, groups)
    tables = {id(table): table for piece in stamped for table in piece.names}
    references = [record for piece in stamped for record in piece.references]
    halts = joined((p.halts for p in stamped), HALT)
    indices = joined((p.indices for p in stamped), INDEX_MID)
    out: list[tuple[str, OrderPiece]] = []
    for g in range(groups):
        piece = OrderPiece(
            watermarks,
            events[event_start[g] : event_start[g + 1]],
            horizons[horizon_start[g] : horizon_start[g + 1]],
            details[detail_start[g] : detail_start[g + 1]],
            shown[shown_start[g] : shown_start[g + 1]],
            {},
            references,
            g,
            halts,
            indices,
        )
        if tables:
            rows = (piece.events, piece.provisional)
            piece.names = names_in(tables.values(), rows, piece.details)
        out.append((GROUP_KEYS[g], piece))
    return out


def _dealt(arrays: list[np.ndarray], dtype: np.dtype, groups: int) -> tuple[np.ndarray, list[int]]:
    return by_group(joined(arrays, dtype), "order_group", groups)
