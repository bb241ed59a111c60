"""Progress of long work on stderr, with rate and time left, where stderr is a terminal."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Tell = Callable[[int, float | None], None]
"""Takes the rows done so far and the share 0–1 of all work, None where it is not known."""


@contextmanager
def progress(words: str) -> Generator[Tell]:
    """Show a bar while the block runs; nothing where stderr is a file or a pipe."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _rows, _share: None
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[rows]:,} rows"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task(words, total=None, rows=0, rate="")

        def tell(rows: int, share: float | None) -> None:
            elapsed = bar.tasks[0].elapsed
            rate = f"{rows / elapsed:,.0f}/s" if elapsed else ""
            if share is None:
                bar.update(task, rows=rows, rate=rate)
            else:
                bar.update(task, total=1.0, completed=share, rows=rows, rate=rate)

        yield tell
