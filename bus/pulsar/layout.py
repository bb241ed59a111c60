"""Topics, partitions and policies of a deployment's namespace, and what is wrong with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bus.pulsar.admin import Admin
from domain.errors import BusError
from domain.vocabulary import Topic

GROUPS = "execmon.groups"
CLOCK_KIND = "execmon.clock"
"""Noted at the namespace: the layout's key groups, and the kind of its clocks."""
CLOCK_TOPIC = "clock-lease"
"""Whoever holds this topic exclusively writes the clock messages."""
KEEP_S = 7 * 86_400.0
"""Retention of a namespace that we make."""
_DELAY = "managedLedgerNewEntriesCheckDelayInMillis"


@dataclass(frozen=True, slots=True)
class Policies:
    """What a namespace does with its messages."""

    keep_s: float | None
    """How long what everybody has acknowledged stays; None for ever."""
    deduplicates: bool
    """Whether a resent message is dropped."""


def create(
    admin: Admin, shown: str, partitions: Mapping[Topic, int], groups: int, *, keep_s: float | None
) -> None:
    """Make what is missing. Raises BusError where what is there differs; nothing is made then."""
    _check_counts(partitions, groups)
    noted = admin.properties()
    known = {topic: admin.partitions(topic) for topic in partitions} if noted is not None else {}
    _compare(shown, (noted or {}).get(GROUPS), known, partitions, groups)
    is_new = GROUPS not in (noted or {})
    if noted is None:
        admin.create("PUT", admin.namespace_path, {})
    if is_new:
        set_policies(admin, keep_s=keep_s)
        admin.create("PUT", admin.topic_path(CLOCK_TOPIC))
    for topic, count in partitions.items():
        if not known.get(topic):
            admin.create("PUT", f"{admin.topic_path(topic)}/partitions", count)
    if is_new:
        # Last, so that a layout which was cut short is completed by the next attempt.
        admin.note(GROUPS, str(groups))


def _check_counts(partitions: Mapping[Topic, int], groups: int) -> None:
    for topic, count in partitions.items():
        if not 1 <= count <= groups:
            raise BusError(
                f"topic {topic} must have 1 to {groups} partitions (the groups), not {count}"
            )


def _compare(
    shown: str,
    groups_known: str | None,
    known: Mapping[Topic, int],
    partitions: Mapping[Topic, int],
    groups: int,
) -> None:
    found = [(f"partitions:{t}", known[t], n) for t, n in partitions.items() if known.get(t)]
    if groups_known is not None:
        found.insert(0, ("groups", int(groups_known), groups))
    for what, is_, asked in found:
        if is_ != asked:
            raise BusError(
                f"the bus {shown} was set up with {what} = {is_}, now {asked} is asked; keep "
                "the old number, or use another namespace"
            )


def set_policies(admin: Admin, *, keep_s: float | None) -> None:
    """Keep messages for so long after everybody has read them, and drop resent ones."""
    minutes = -1 if keep_s is None else max(1, round(keep_s / 60))
    path = admin.namespace_path
    body = {"retentionTimeInMinutes": minutes, "retentionSizeInMB": -1}
    admin.ask("POST", f"{path}/retention", body)
    admin.ask("POST", f"{path}/deduplication", True)


def policies(admin: Admin) -> Policies:
    """As they are set at the namespace. Raises BusError where there is none."""
    found = admin.get(admin.namespace_path)
    if found is None:
        raise BusError("there is no such namespace; `execmon topics create` makes it")
    kept: Any = found.get("retention_policies") or {}
    minutes = int(kept.get("retentionTimeInMinutes", 0))
    return Policies(
        None if minutes < 0 else minutes * 60.0, bool(found.get("deduplicationEnabled"))
    )


def tailing_delay_ms(admin: Admin) -> int | None:
    """How long the broker holds back a new message; None where it may not be asked."""
    try:
        found = admin.get("brokers/configuration/runtime")
    except BusError:
        return None
    return None if found is None else int(found.get(_DELAY, 10))


def faults(admin: Admin, partitions: Mapping[Topic, int], groups: int) -> list[str]:
    """What is wrong with the namespace or slows it down, in sentences with the way out."""
    noted = admin.properties()
    if noted is None or GROUPS not in noted:
        return ["the namespace was never set up: run `execmon topics create`"]
    found: list[str] = []
    if int(noted[GROUPS]) != groups:
        found.append(f"it was set up for {noted[GROUPS]} groups, the setting says {groups}")
    for topic, count in partitions.items():
        known = admin.partitions(topic)
        if not known:
            found.append(f"topic {topic} is missing: run `execmon topics create`")
        elif known != count:
            found.append(f"topic {topic} has {known} partitions, the setting says {count}")
    policy = policies(admin)
    if not policy.deduplicates:
        found.append("deduplication is off, so a resent message is stored twice")
    if policy.keep_s == 0:
        found.append("retention is off, so what every reader has read is gone at once")
    delay_ms = tailing_delay_ms(admin)
    if delay_ms:
        found.append(
            f"the broker holds every new message back for up to {delay_ms} ms: set "
            f"{_DELAY}=0 in its configuration"
        )
    return found
