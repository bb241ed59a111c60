"""Reading the configuration of channels and routes, with words for whatever is wrong."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from domain.channels import (
    ALERT_TYPES,
    KINDS,
    NOBODY,
    Channel,
    Notify,
    PagerDuty,
    Route,
    Smtp,
    Webhook,
)
from domain.quiet_hours import QuietHours, quiet_hours

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,49}", re.ASCII)


def notify_of(table: Mapping[str, Any]) -> Notify:
    """The configuration in a table. Raises ValueError that names every part that is wrong."""
    given = dict(table)
    channels, routes = given.pop("channels", {}), given.pop("routes", [])
    if not isinstance(channels, Mapping) or not isinstance(routes, list):
        raise ValueError("channels must be a table of channels, routes a list of routes")  # noqa: TRY004
    wrong: list[str] = []
    found: dict[str, Channel] = {}
    for name, one in channels.items():
        channel = _channel(str(name), one, wrong)
        if channel is not None:
            found[str(name)] = channel
    ways = [way for number, one in enumerate(routes, 1)
            if (way := _route(f"route {number}", one, channels, wrong))]  # fmt: skip
    try:
        rest = msgspec.convert(given, Notify)
    except msgspec.ValidationError as error:
        wrong.append(_plain(error))
        rest = NOBODY
    if rest.link and not _is_web(rest.link):
        wrong.append(f"link must be an address such as https://execmon.example, was {rest.link!r}")
    if rest.max_age_s <= 0:
        wrong.append(f"max_age_s must be positive, was {rest.max_age_s:g}")
    if wrong:
        raise ValueError("; ".join(wrong))
    return msgspec.structs.replace(rest, channels=found, routes=ways)


def _channel(name: str, table: Any, wrong: list[str]) -> Channel | None:
    who = f"channel {name}"
    if not _NAME.fullmatch(name):
        wrong.append(f"a channel's name must be 1–50 letters, digits, . _ or -, was {name!r}")
        return None
    if not isinstance(table, Mapping) or table.get("kind") not in KINDS:
        wrong.append(f"{who}: kind must be one of {', '.join(KINDS)}")
        return None
    try:
        channel = msgspec.convert(table, Channel)
    except msgspec.ValidationError as error:
        wrong.append(f"{who}: {_plain(error)}")
        return None
    wrong += [f"{who}: {words}" for words in _wrong_with(channel)]
    return channel


def _wrong_with(channel: Channel) -> list[str]:
    found: list[str] = []
    if isinstance(channel, Smtp):
        if not channel.host or not 0 < channel.port < 65_536:
            found.append(f"host and port must name a server, were {channel.host}:{channel.port}")
        people = [channel.sender, *channel.to]
        if not channel.to or not all(_is_mail(one) for one in people):
            found.append("sender and to must be addresses such as desk@example.com")
    elif not _is_web(channel.url):
        found.append("url must be an address such as https://HOST/PATH")
    if isinstance(channel, Webhook) and len(channel.secret) < 16:
        found.append("secret must have 16 characters or more")
    if isinstance(channel, PagerDuty) and not channel.routing_key:
        found.append("routing_key must not be empty")
    if channel.timeout_s <= 0 or channel.retry_for_s <= 0:
        found.append("timeout_s and retry_for_s must be positive")
    return found


def _route(who: str, table: Any, channels: Mapping[str, Any], wrong: list[str]) -> Route | None:
    try:
        route = msgspec.convert(table, Route, dec_hook=_decoded)
    except msgspec.ValidationError as error:
        wrong.append(f"{who}: {_plain(error)}")
        return None
    unknown = [name for name in route.channels if name not in channels]
    if unknown or not route.channels:
        known = ", ".join(map(str, channels)) or "none"
        wrong.append(
            f"{who}: no channel is called {', '.join(unknown)}; there are {known}"
            if unknown
            else f"{who}: channels must name one or more"
        )
    strange = [type_ for type_ in route.types if type_ not in ALERT_TYPES]
    if strange:
        wrong.append(
            f"{who}: no alert is of type {', '.join(strange)}; there are {', '.join(ALERT_TYPES)}"
        )
    if not 1 <= route.digest_minutes <= 1_440:
        wrong.append(f"{who}: digest_minutes must be 1 to 1440, was {route.digest_minutes}")
    return route


def _decoded(type_: type, value: Any) -> Any:
    if type_ is QuietHours and isinstance(value, str):
        return quiet_hours(value)
    raise ValueError("expected quiet hours such as 22:00-07:00 Europe/London")


def _plain(error: Exception) -> str:
    """What msgspec says, without its way of naming paths."""
    return str(error).replace(" - at `$.", " in `").replace("Object ", "")


def _is_web(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_mail(text: str) -> bool:
    name, at, host = text.partition("@")
    return bool(name and at and host) and text.isprintable() and " " not in text
