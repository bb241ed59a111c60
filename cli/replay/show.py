"""What a replay prints: one JSON object, or tables for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from cli.output import number, print_json
from cli.replay.run import ReplayOptions

_WORDS = {
    "events": "Events read",
    "orders": "Orders",
    "orders_executed": "Orders executed",
    "orders_without_arrival": "Executed, arrival not seen",
    "fills": "Fills",
    "fills_repeated": "Repeated reports",
    "fills_busted": "Busted fills",
    "filled_qty": "Filled quantity",
    "avg_px": "Average price",
    "effective_spread_exec_mid_bps": "Effective spread, mid at execution, bps",
    "effective_spread_receipt_mid_bps": "Effective spread, mid at receipt, bps",
    "dead_letters": "Dead letters",
    "messages": "FIX messages",
    "junk_lines": "Junk lines",
    "bad_checksums": "Wrong checksums",
    "bad_lengths": "Wrong lengths",
    "differences": "Differences from tags 14 and 6",
    "wall_s": "Seconds",
    "events_per_s": "Events a second",
}
_DIGITS = {"avg_px": 6, "wall_s": 2, "events_per_s": 0, "filled_qty": 2}
MOST_ROWS = 25


def show(summary: Mapping[str, Any], options: ReplayOptions, *tables: Table) -> None:
    """Print the figures of a run, then more tables, then which files were written."""
    if options.as_json:
        print_json(summary)
        return
    console = Console()
    console.print(_figures(summary))
    for table in tables:
        console.print(table)
    for what, path in (
        ("order records", options.orders),
        ("fills", options.fills),
        ("dead letters", options.dead_letters),
    ):
        if path is not None:
            console.print(f"{what} → {path}", highlight=False, soft_wrap=True)


def _figures(summary: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_header=False, title=_title(summary))
    table.title_justify = "left"
    table.add_column()
    table.add_column(justify="right")
    for name, words in _WORDS.items():
        if name in summary:
            table.add_row(words, number(summary[name], _DIGITS.get(name, 4)))
    states = summary.get("states") or {}
    for state, count in states.items():
        table.add_row(f"  {state.replace('_', ' ').lower()}", number(count))
    return table


def _title(summary: Mapping[str, Any]) -> str:
    parts = [summary.get("format"), summary.get("symbol"), summary.get("date")]
    parts += summary.get("symbols") or summary.get("files") or []
    return " ".join(str(part) for part in parts if part)


def grid(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    digits: int = 4,
    width: int | None = None,
) -> Table:
    """Rows of words and numbers as a table; beyond the first rows only their count.

    Columns that do not fit `width` (the terminal's) are left out, the last first.
    """
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    shown = rows[:MOST_ROWS]
    cells = [[v if isinstance(v, str) else number(v, digits) for v in row] for row in shown]
    left = (Console().width if width is None else width) - 2
    for i, name in enumerate(columns):
        left -= max([len(name), *(cell_len(row[i]) for row in cells)]) + 3
        if i and left < 0:
            columns = columns[:i]
            break
        is_number = all(not isinstance(row[i], str) for row in shown)
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for row in cells:
        table.add_row(*row[: len(columns)])
    if len(rows) > MOST_ROWS:
        table.caption = f"and {len(rows) - MOST_ROWS:,} more"
    return table
