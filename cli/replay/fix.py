"""FIX logs: our own numbers of each order beside what the counterparty reported."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.replay.run import Replayed, ReplayOptions, replay, write_files
from cli.replay.show import grid, show
from domain.errors import InputError
from domain.vocabulary import OrderState
from sources.fix.reader import FixReader

_COUNTS = ("lines", "messages", "junk_lines", "bad_checksums", "bad_lengths", "no_event")
_COUNTERS = ("by_type", "versions", "unsupported")
QTY_TOLERANCE = 1e-9
PX_TOLERANCE = 1e-6
"""Relative: counterparties round an average to some digits."""


def replay_fix(files: Sequence[Path], options: ReplayOptions, *, strict: bool) -> None:
    """Replay logs together and print figures, counts of the logs, and differences."""
    for path in files:
        if not path.is_file():
            raise InputError(f"{path} is not a file")
    readers = [FixReader(path, strict=strict) for path in files]
    result = replay(readers, options, keep_orders=True)
    write_files(result, options)
    found = differences(result, readers)
    head: dict[str, Any] = {"format": "fix", "files": [str(path) for path in files]}
    counts = _counts(readers)
    summary = {
        **head,
        **result.summary(),
        **counts,
        "differences": len(found),
        "difference_list": found,
    }
    columns = ("order_id", "field", "ours", "reported")
    tables = [grid("Orders", *_order_rows(result))]
    if found:
        rows = [[d[name] for name in columns] for d in found]
        tables.append(grid("Differences from tags 14 and 6", columns, rows))
    show(summary, options, *tables)


def differences(result: Replayed, readers: Sequence[FixReader]) -> list[dict[str, Any]]:
    """Orders whose cumulative quantity or average price is not what was reported last.

    An average is compared where the counterparty gave one and something was executed.
    """
    rows, _ = result.collected.orders()
    ours: dict[str, tuple[float, float]] = {
        result.collected.names.get(key, ""): (cum_qty, avg_px)
        for key, cum_qty, avg_px in zip(
            rows["order"].tolist(), rows["cum_qty"].tolist(), rows["avg_px"].tolist(), strict=True
        )
    }
    found: list[dict[str, Any]] = []
    for reader in readers:
        for order_id, reported in reader.reported.items():
            if order_id not in ours:
                continue
            cum_qty, avg_px = ours[order_id]
            if reported.cum_qty is not None and _differ(cum_qty, reported.cum_qty, QTY_TOLERANCE):
                found.append(_difference(order_id, "cum_qty", cum_qty, reported.cum_qty))
            if (reported.avg_px or cum_qty > 0) and reported.avg_px is not None:
                mine = avg_px if cum_qty > 0 else 0.0
                if _differ(mine, reported.avg_px, PX_TOLERANCE):
                    found.append(_difference(order_id, "avg_px", mine, reported.avg_px))
    return found


def _differ(ours: float, theirs: float, tolerance: float) -> bool:
    return not abs(ours - theirs) <= tolerance * max(abs(ours), abs(theirs))


def _difference(order_id: str, field: str, ours: float, reported: float) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "field": field,
        "tag": 14 if field == "cum_qty" else 6,
        "ours": None if math.isnan(ours) else ours,
        "reported": reported,
    }


def _counts(readers: Sequence[FixReader]) -> dict[str, Any]:
    counts: dict[str, Any] = {
        name: sum(getattr(reader.counts, name) for reader in readers) for name in _COUNTS
    }
    for name in _COUNTERS:
        merged: Counter[str] = Counter()
        for reader in readers:
            merged.update(getattr(reader.counts, name))
        counts[name] = dict(sorted(merged.items()))
    return counts


def _order_rows(result: Replayed) -> tuple[Sequence[str], list[list[Any]]]:
    rows, _ = result.collected.orders()
    names = result.collected.names
    return ("order_id", "symbol", "state", "cum_qty", "avg_px"), [
        [
            names.get(int(row["order"]), ""),
            names.get(int(row["symbol"]), ""),
            OrderState(int(row["state"])).name,
            float(row["cum_qty"]),
            float(row["avg_px"]),
        ]
        for row in rows[:1000]
    ]
