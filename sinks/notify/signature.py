"""Signatures of webhooks, made by us and checked by whoever receives them."""

import hmac
from collections.abc import Mapping

SIGNATURE = "X-Execmon-Signature"
TIMESTAMP = "X-Execmon-Timestamp"
TOLERANCE_S = 300.0
_VERSION = "v1="


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`v1=` and the hex HMAC-SHA256 of `timestamp.body` under the secret."""
    told = timestamp.encode() + b"." + body
    return _VERSION + hmac.new(secret.encode(), told, "sha256").hexdigest()


def signed(secret: str, body: bytes, now_s: float) -> dict[str, str]:
    """The headers that sign a body sent now (UNIX seconds)."""
    timestamp = str(int(now_s))
    return {TIMESTAMP: timestamp, SIGNATURE: signature(secret, timestamp, body)}


def wrong_with(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    now_s: float,
    tolerance_s: float = TOLERANCE_S,
) -> str:
    """Why a received body is not ours, or not of now; empty where it is.

    Header names are taken in any case. The signature may list several, separated by commas,
    while a secret is being changed.
    """
    found = {name.lower(): value for name, value in headers.items()}
    timestamp = found.get(TIMESTAMP.lower(), "")
    if not timestamp.isascii() or not timestamp.isdecimal():
        return f"{TIMESTAMP} must be whole UNIX seconds, was {timestamp!r}"
    right = signature(secret, timestamp, body)
    given = [one.strip() for one in found.get(SIGNATURE.lower(), "").split(",")]
    if not any(hmac.compare_digest(right.encode(), one.encode()) for one in given):
        return f"{SIGNATURE} is not that of the body under this secret"
    if abs(now_s - int(timestamp)) > tolerance_s:
        return f"{TIMESTAMP} is {now_s - int(timestamp):+.0f} s from now; an old message again?"
    return ""
