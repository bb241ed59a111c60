"""A page: what somebody is told, made once and the same for every channel."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import msgspec

from domain.alerts import NO_DESK, rank
from domain.published import AlertMonitoring, ExecutionAlertGenerated, Severity

MOST_LINES = 50
"""Of the orders in a group's page, or of the alerts in a digest."""


class PageKind(StrEnum):
    """What a page is for."""

    ALERT = "ALERT"
    """Somebody should look."""
    ACKNOWLEDGED = "ACKNOWLEDGED"
    OVER = "OVER"
    """Nobody needs to look any more."""
    DIGEST = "DIGEST"
    """Several alerts at once, none of them urgent."""
    TEST = "TEST"


class Page(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a channel sends. `key` stays the same however often it is sent."""

    key: str
    kind: PageKind
    subject: str
    """One line."""
    facts: list[tuple[str, str]] = []
    """Names and values, in the order they are shown."""
    lines: list[str] = []
    """Orders inside a group's page, or alerts of a digest, one each."""
    left_out: int = 0
    """Lines that were too many."""
    severity: Severity = Severity.LOW
    alert_id: str = ""
    """Of the alert; of a digest and of a test its key."""
    source: str = ""
    """Scope of the alert: an order, a venue, an algorithm."""
    type: str = ""
    desk: str = ""
    at: str = ""
    """Time of what it tells, RFC 3339."""
    link: str = ""
    events: list[msgspec.Raw] = []
    """The bus's own JSON of each alert it tells of, at most `MOST_LINES`."""
    is_repeat: bool = False
    """Sent before, and whether that arrived is not known."""

    @property
    def title(self) -> str:
        """The subject, labelled where the page is a repeat."""
        return f"[repeat] {self.subject}" if self.is_repeat else self.subject


def text_of(page: Page) -> str:
    """The page as lines of plain text."""
    told = [f"{name}: {value}" for name, value in page.facts]
    lines = [f"- {line}" for line in page.lines]
    if page.left_out:
        lines.append(f"- and {page.left_out:,} more")
    parts = [told, lines, [page.link] if page.link else []]
    if page.is_repeat:
        parts.append(["This was sent before; whether it arrived is not known."])
    return "\n\n".join("\n".join(part) for part in parts if part)


def record_of(page: Page) -> dict[str, Any]:
    """The page as members of a JSON object, for programs."""
    return {
        "key": page.key,
        "kind": page.kind,
        "subject": page.subject,
        "severity": page.severity,
        "alert_id": page.alert_id,
        "source": page.source,
        "type": page.type,
        "desk": page.desk,
        "at": page.at,
        "link": page.link or None,
        "repeat": page.is_repeat,
        "lines": page.lines,
        "left_out": page.left_out,
        "events": page.events,
    }


def life_of(alert: ExecutionAlertGenerated) -> AlertMonitoring:
    """The alert's life; one that came without is open, and an alert of its own."""
    return alert.monitoring or AlertMonitoring(
        alert_id=alert.event_id,
        dedupe_key=alert.event_id,
        seq=1,
        state="OPEN",
        started_at=alert.timestamp,
        change="RAISED",
    )


def alert_page(
    key: str,
    kind: PageKind,
    alert: ExecutionAlertGenerated,
    *,
    raw: bytes,
    members: Sequence[ExecutionAlertGenerated] = (),
    link: str = "",
    why: str = "",
) -> Page:
    """The page of one alert. `members` are the alerts that it covers, each in a line."""
    told, life = alert.execution_alert, life_of(alert)
    covered = [line_of(member) for member in members]
    known = {member.execution_alert.order_id for member in members}
    orders = [order for order in life.order_ids if order not in known | {told.order_id}]
    lines = [*covered, *orders]
    return Page(
        key=key,
        kind=kind,
        subject=_subject(kind, alert),
        facts=list(_facts(kind, alert, why or life.why, len(lines))),
        lines=lines[:MOST_LINES],
        left_out=max(len(lines) - MOST_LINES, 0),
        severity=told.severity,
        alert_id=life.alert_id,
        source=told.order_id,
        type=told.alert_type,
        desk=life.desk,
        at=alert.timestamp,
        link=_link(link, told.order_id),
        events=[msgspec.Raw(raw)],
    )


def digest_page(
    key: str,
    alerts: Sequence[tuple[ExecutionAlertGenerated, bytes]],
    *,
    at: str,
    link: str = "",
) -> Page:
    """Several alerts in one page, the most severe first; `alerts` come with their JSON."""
    worst = sorted(alerts, key=lambda one: -rank(one[0].execution_alert.severity))
    told = [alert for alert, _ in worst]
    still = sum(not _is_over(alert) for alert in told)
    desks = sorted({life_of(alert).desk or NO_DESK for alert in told})
    return Page(
        key=key,
        kind=PageKind.DIGEST,
        subject=f"Execution alerts: {len(told)} collected, {still} still open",
        facts=[("Desks", ", ".join(desks))],
        lines=[line_of(alert) for alert in told[:MOST_LINES]],
        left_out=max(len(told) - MOST_LINES, 0),
        severity=told[0].execution_alert.severity,
        alert_id=key,
        desk=desks[0] if len(desks) == 1 else "",
        at=at,
        link=link,
        events=[msgspec.Raw(raw) for _, raw in worst[:MOST_LINES]],
    )


def trial_page(key: str, channel: str, *, at: str, link: str = "", by: str = "") -> Page:
    """A page that tells only that a channel works."""
    return Page(
        key=key,
        kind=PageKind.TEST,
        subject=f"Test of channel {channel}: nothing is wrong",
        facts=[("Asked at", at), *([("Asked by", by)] if by else [])],
        alert_id=key,
        source="execmon",
        type="TEST",
        at=at,
        link=link,
    )


def line_of(alert: ExecutionAlertGenerated) -> str:
    """An alert in one line."""
    told, life = alert.execution_alert, life_of(alert)
    state = "" if life.state in {"OPEN", "ESCALATED"} else f", {life.state.lower()}"
    moved = _progress(alert)
    return f"{told.severity} {told.alert_type} {told.order_id}{moved and f', {moved}'}{state}"


def _subject(kind: PageKind, alert: ExecutionAlertGenerated) -> str:
    told, life = alert.execution_alert, life_of(alert)
    desk = f" ({life.desk})" if life.desk not in {"", NO_DESK} else ""
    what = f"{told.alert_type} {told.order_id}{desk}"
    if kind is PageKind.OVER:
        return f"{life.state if _is_over(alert) else 'COVERED'}: {what}"
    return f"{told.severity if kind is PageKind.ALERT else life.state}: {what}"


def _facts(
    kind: PageKind, alert: ExecutionAlertGenerated, why: str, orders: int
) -> Iterator[tuple[str, str]]:
    told, life = alert.execution_alert, life_of(alert)
    scope, _, name = told.order_id.partition(":")
    is_wide = scope in {"venue", "algo", "feed"} and bool(name)
    names = {"algo": "Algorithm"}
    yield (
        names.get(scope, scope.capitalize()) if is_wide else "Order",
        name if is_wide else (told.order_id),
    )
    yield "What", str(told.alert_type)
    yield "Severity", str(told.severity)
    yield "State", life.state + (f", by {life.by}" if life.by not in {"", "system"} else "")
    if life.desk:
        yield "Desk", life.desk
    if moved := _progress(alert):
        yield "Progress", moved
    if evidence := _evidence(life):
        yield "Evidence", evidence
    if told.recommendation and kind is PageKind.ALERT:
        yield "Recommendation", told.recommendation
    if why:
        yield "Why", why
    yield "Since", life.started_at
    if orders:
        yield "Orders", f"{orders:,}"


def _progress(alert: ExecutionAlertGenerated) -> str:
    now, expected = alert.execution_alert.current_progress, alert.execution_alert.expected_progress
    if now is None:
        return ""
    return f"{now:.0%} done" + (f", {expected:.0%} expected" if expected is not None else "")


def _evidence(life: AlertMonitoring) -> str:
    found = life.evidence
    values = {"actual": found.actual, "expected": found.expected, "z": found.z,
              "threshold": found.threshold, "n": found.n}  # fmt: skip
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items() if value is not None)


def _is_over(alert: ExecutionAlertGenerated) -> bool:
    return life_of(alert).state in {"RESOLVED", "CLOSED", "EXPIRED"}


def _link(base: str, scope: str) -> str:
    """The page opens an order by what stands behind the `#`."""
    if not base or ":" in scope:
        return base
    return f"{base.rstrip('/')}/#{quote(scope, safe='')}"
