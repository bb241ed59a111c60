"""What runs in the background ends, however often it has to be told."""

import asyncio

from api.tasks import end


async def _deaf(times: int) -> None:
    """Loses a number of cancellations, as a client that is just connecting does."""
    for _ in range(times):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue
    await asyncio.sleep(3600)


async def _failing() -> None:
    try:
        await asyncio.sleep(3600)
    finally:
        raise ValueError


def test_a_task_that_loses_its_cancellation_is_told_again() -> None:
    async def run() -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(work) for work in (_deaf(0), _deaf(2), _failing())]
        await asyncio.sleep(0)
        await asyncio.wait_for(end(tasks, again_s=0.01), 10)
        return tasks

    well, deaf, failed = asyncio.run(run())

    assert well.cancelled()
    assert deaf.cancelled()
    assert isinstance(failed.exception(), ValueError)


def test_a_task_is_given_time_to_finish_what_it_does_last() -> None:
    written: list[str] = []

    async def last_words() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.05)
            written.append("last line")

    async def run() -> None:
        task = asyncio.create_task(last_words())
        await asyncio.sleep(0)
        await end([task])

    asyncio.run(run())

    assert written == ["last line"]
