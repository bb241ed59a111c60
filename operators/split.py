"""Batches of an input partition into one piece for each symbol group, and on to order groups."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from domain.batch import Batch, Input
from domain.columns import DETAIL, HAS_DETAIL
from domain.keys import GROUP_KEYS
from domain.vocabulary import Topic
from operators.arrays import joined
from operators.kernel import Table, kernel
from operators.pieces import HORIZON, STAMPED, OrderPiece, Stamped


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


def by_group(rows: np.ndarray, field: str, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows sorted by a group field, stored order kept, and where each group starts."""
    order = np.empty(len(rows), np.int64)
    start = np.zeros(groups + 1, np.int64)
    group_order(rows[field], order, start, np.zeros(groups + 1, np.int64))
    return rows.take(order), start


def split_batch(
    batch: Batch, inputs: tuple[Input, ...], groups: int
) -> Iterator[tuple[str, tuple[int, Batch]]]:
    """One piece for every symbol group that the partition feeds, empty ones included.

    A market partition feeds the groups whose symbols it carries; every other partition feeds
    all groups, since an order's symbol may be in any.
    """
    source = next(i for i in inputs if i.index == batch.source)
    if source.topic is Topic.MARKET_DATA:
        partitions = sum(i.topic is Topic.MARKET_DATA for i in inputs)
        fed = range(source.partition % partitions, groups, partitions)
    else:
        fed = range(groups)
    if len(batch.details):
        at = np.searchsorted(batch.events["pos"], batch.details["pos"])
        batch.events["flags"][at] |= HAS_DETAIL
        batch.details["order_group"] = batch.events["order_group"][at]
    market, market_start = by_group(batch.market, "group", groups)
    events, event_start = by_group(batch.events, "market_group", groups)
    for g in fed:
        rows = events[event_start[g] : event_start[g + 1]]
        yield (
            GROUP_KEYS[g],
            (
                g,
                Batch(
                    source=batch.source,
                    market=market[market_start[g] : market_start[g + 1]],
                    events=rows,
                    details=_of_events(batch.details, rows) if len(rows) else batch.details[:0],
                    names=batch.names if len(rows) else {},
                    references=batch.references,
                    told=batch.told,
                    watermark=batch.watermark,
                    ended=batch.ended,
                ),
            ),
        )


def _of_events(details: np.ndarray, events: np.ndarray) -> np.ndarray:
    if not len(details):
        return details
    return details[np.isin(details["pos"], events["pos"])]


def route_to_orders(
    pieces: Iterable[tuple[str, Stamped]], groups: int
) -> list[tuple[str, OrderPiece]]:
    """Join what several symbol groups gave and deal it out to the order groups."""
    stamped = [piece for _, piece in pieces]
    latest = {p.group: (p.group, p.event_watermark, p.watermark, p.end) for p in stamped}
    watermarks = list(latest.values())
    events, event_start = by_group(_concat(stamped, "events", STAMPED), "order_group", groups)
    horizons, horizon_start = by_group(_concat(stamped, "horizons", HORIZON), "order_group", groups)
    shown, shown_start = by_group(_concat(stamped, "provisional", STAMPED), "order_group", groups)
    details, detail_start = by_group(_concat(stamped, "details", DETAIL), "order_group", groups)
    names = _merged(stamped)
    references = [record for piece in stamped for record in piece.references]
    out: list[tuple[str, OrderPiece]] = []
    for g in range(groups):
        has_rows = any(
            start[g] != start[g + 1] for start in (event_start, shown_start, detail_start)
        )
        out.append(
            (
                GROUP_KEYS[g],
                OrderPiece(
                    watermarks,
                    events[event_start[g] : event_start[g + 1]],
                    horizons[horizon_start[g] : horizon_start[g + 1]],
                    details[detail_start[g] : detail_start[g + 1]],
                    shown[shown_start[g] : shown_start[g + 1]],
                    names if has_rows else {},
                    references,
                ),
            )
        )
    return out


def _merged(pieces: list[Stamped]) -> dict[int, str]:
    """One table of the names of all pieces."""
    tables = {id(table): table for piece in pieces for table in piece.names}
    names: dict[int, str] = {}
    for table in tables.values():
        names.update(table)
    return names


def _concat(pieces: list[Any], field: str, dtype: np.dtype) -> np.ndarray:
    return joined((getattr(piece, field) for piece in pieces), dtype)
