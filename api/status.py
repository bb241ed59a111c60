"""One order's status: from the status store while it is there, else from history."""

import time
from dataclasses import dataclass

from api.context import Context
from api.problems import Problem, not_found, unavailable
from api.selection import StatusHead, age_ms, head_of, with_metrics
from api.service import Service
from domain.status import with_alerts
from domain.topics import status_key


@dataclass(frozen=True, slots=True)
class Found:
    """A status as it is to be served, and what the API needs to know of it."""

    body: bytes
    head: StatusHead

    @property
    def desk(self) -> str:
        """The order's desk; empty for none."""
        return self.head.desk or ""

    @property
    def age_ms(self) -> int | None:
        """Time since the event time of the status, by this machine's clock."""
        return age_ms(self.head.last_updated, time.time_ns())


async def newest(service: Service, order_id: str) -> Found:
    """The newest status there is. Raises Problem 404 or 503, or the store's own error."""
    body, alerts = await service.reader.hmget(status_key(order_id), "body", "alerts")
    if body is None:
        found = await _from_history(service.context, order_id, None)
        if found is None:
            raise not_found(order_id)
        return shown(service, order_id, found)
    return shown(service, order_id, with_alerts(body, alerts) if alerts else body)


async def known_at(service: Service, order_id: str, known_ns: int) -> Found:
    """The status as it was known at a time. Raises Problem 404 or 503."""
    if service.context.status_known_at is None or service.context.pool is None:
        raise unavailable("history store", "known_at needs a history store; none is configured")
    found = await _from_history(service.context, order_id, known_ns)
    if found is None:
        raise Problem(404, "order-not-found", f"nothing was known of order {order_id!r} then")
    return shown(service, order_id, found)


async def _from_history(context: Context, order_id: str, known_ns: int | None) -> bytes | None:
    if context.status_known_at is None or context.pool is None:
        return None
    async with context.history() as connection:
        return await context.status_known_at(connection, order_id, known_ns)


def shown(service: Service, order_id: str, body: bytes) -> Found:
    """The status with the metrics that the order's session chose, else byte for byte."""
    head = head_of(body)
    chosen = service.sessions.chosen(order_id, head.desk)
    return Found(body if chosen is None else with_metrics(body, chosen), head)


async def is_seen(service: Service, order_id: str) -> tuple[bool, str, str]:
    """(whether the order was ever seen, its desk, its root order)."""
    try:
        found = await newest(service, order_id)
    except Problem as problem:
        if problem.status != 404:
            raise
        return False, "", ""
    return True, found.desk, found.head.root_order_id or ""
