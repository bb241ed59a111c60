"""Too many clients, too much, too slowly: each gets a polite no, and memory stays bounded.

10,000 connections by `make faults`, fewer where tests must be quick.
"""

import asyncio
import resource
from collections import Counter
from contextlib import suppress

import httpx
import psutil
import pytest

from tests.faults.conftest import OUTAGE_S

MANY = 10_000 if OUTAGE_S >= 30 else 1_000
MB = 1 << 20
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
START = (
    b"POST /api/v1/monitoring/start HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\n"
)


@pytest.fixture
def api(rig, history_url):
    """(its port, its process) of an API that has room for half of them and little patience."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < MANY + 500:
        pytest.skip(f"{MANY:,} connections need as many files; the limit is {hard:,}")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], MANY + 500), hard))
    rig.set_up()
    port = rig.start_api(
        history_url,
        EXECMON_API_MAX_CONNECTIONS=str(MANY // 2),
        EXECMON_API_HEADER_TIMEOUT_S="60",
        EXECMON_API_BODY_TIMEOUT_S="2",
        EXECMON_API_MAX_BODY_BYTES=str(MB // 4),
    )
    yield port, psutil.Process(rig.processes["api"].pid)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def answer(reader, *, until_closed=False):
    """Status and headers of the answer; None where the connection was just cut."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        if until_closed:
            await asyncio.wait_for(reader.read(), 30)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return int(head.split()[1]), head.lower()


async def opened(port):
    return await asyncio.open_connection("127.0.0.1", port)


async def closed(writers):
    for writer in writers:
        writer.close()
    for writer in writers:
        with suppress(ConnectionError):
            await writer.wait_closed()


def test_past_the_room_there_is_every_connection_is_refused_politely(api):
    port, process = api

    async def flood():
        before = process.memory_info().rss
        found = Counter()
        kept = []

        async def one():
            reader, writer = await opened(port)
            with suppress(ConnectionError):
                writer.write(LIVEZ)
            status, head = await answer(reader) or (0, b"")
            found[status] += 1
            if status == 200:
                kept.append((reader, writer))
                return
            assert status == 503, status
            assert b"retry-after: 5" in head
            assert b"application/problem+json" in head
            await closed([writer])

        for _ in range(0, MANY, 500):
            await asyncio.gather(*(one() for _ in range(500)))
        grown = process.memory_info().rss - before

        reader, writer = kept[0]
        await reader.read(1)
        writer.write(LIVEZ)
        again = await answer(reader)
        await closed([writer for _, writer in kept])
        return found, grown, again

    found, grown, again = asyncio.run(flood())

    assert found[0] == 0
    assert found[200] == MANY // 2
    assert found[503] == MANY - found[200]
    assert again is not None
    assert again[0] == 200
    assert grown < 40 * MB + MANY // 2 * 60_000


def test_whoever_sends_too_much_is_stopped_early_however_many_they_are(api):
    port, process = api

    async def send(length):
        reader, writer = await opened(port)
        reading = asyncio.create_task(answer(reader))
        body = bytes(64 << 10)
        sent = 0
        try:
            writer.write(START + (b"Transfer-Encoding: chunked" if length is None else
                                  b"Content-Length: %d" % length) + b"\r\n\r\n")  # fmt: skip
            while sent < 64 * MB and not reading.done():
                writer.write(body if length else b"%x\r\n%s\r\n" % (len(body), body))
                await writer.drain()
                sent += len(body)
        except ConnectionError:
            pass
        found = await reading
        await closed([writer])
        return found, sent

    async def everybody():
        before = process.memory_info().rss
        found = await asyncio.gather(*(send(n) for n in [None, 1 << 40] * 50))
        return found, process.memory_info().rss - before

    found, grown = asyncio.run(everybody())

    assert Counter(answer and answer[0] for answer, _ in found) == {413: 100}
    assert max(sent for _, sent in found) < 64 * MB
    assert grown < 100 * MB
    assert httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200


def test_whoever_sends_a_body_by_the_drop_is_let_go_and_delays_nobody(api):
    port, process = api

    async def drip():
        reader, writer = await opened(port)
        writer.write(START + b"Content-Length: 1000\r\n\r\n{")
        found = await answer(reader, until_closed=True)
        await closed([writer])
        return found

    async def everybody():
        before = process.memory_info().rss
        slow = [asyncio.create_task(drip()) for _ in range(MANY // 4)]
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        worst_s = 0.0
        async with httpx.AsyncClient() as client:
            while not all(task.done() for task in slow):
                began = loop.time()
                assert (await client.get(f"http://127.0.0.1:{port}/livez")).status_code == 200
                worst_s = max(worst_s, loop.time() - began)
                await asyncio.sleep(0.05)
        return [task.result() for task in slow], worst_s, process.memory_info().rss - before

    found, worst_s, grown = asyncio.run(everybody())

    assert {status for status, _ in found} == {408}
    assert worst_s < 5
    assert grown < 40 * MB + MANY // 4 * 60_000
