"""Ending what runs in the background of a request or of the whole service."""

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_S = 3.0
"""Longer than any task takes to end in good order: the audit writes its last lines."""


async def end(tasks: Iterable[asyncio.Task[Any]], again_s: float = AGAIN_S) -> None:
    """Cancel tasks until every one has ended, whatever it ended with.

    One cancellation is not enough: redis-py loses it where it is just connecting, and the
    task would go on for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=again_s)
        for task in done:
            if not task.cancelled():
                task.exception()
