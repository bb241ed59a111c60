"""The `ExecutionStatus` of an order as JSON: the specified members first, then the rest.

Numbers are in the unit their name gives, costs positive when bad for us on both sides. A
number that does not exist is null, with its reason under `reasons` (and `metric_reasons`
for the five specified metrics). Equal rows give equal bytes but for `published_at`.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isnan
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np

from domain.instants import MILLISECOND, NO_TIME, format_rfc3339
from domain.records import ORDER_FIELDS, STATUS_SHAPE, Names, reasons_of, venue_shares
from domain.rows import STATUS_METRICS, Rows, Venues
from domain.vocabulary import CLOSED_STATES, OrderState

MONITORING_METRICS: Mapping[str, str] = {
    "EXECUTION_SPEED": "execution_speed",
    "COST_EFFICIENCY": "cost_efficiency",
    "MARKET_IMPACT": "market_impact_bps",
    "FILL_RATE": "fill_rate",
    "SLIPPAGE": "slippage_bps",
}
"""The five specified metrics, and the column each one is."""

_N_FIELDS = len(ORDER_FIELDS)
_PLACE = {name: i for i, name in enumerate(STATUS_SHAPE.names)}
_five_of = itemgetter(*(_PLACE[name] for name in MONITORING_METRICS.values()))
_SPECIFIED = ("order_id", "execution_progress", "performance_score")
_REST = tuple(name for name in STATUS_SHAPE.names if name not in {*_SPECIFIED, "known_at"})
_rest_of = itemgetter(*(_PLACE[name] for name in _REST))
_ID, _PROGRESS, _SCORE = (_PLACE[name] for name in _SPECIFIED)
_KNOWN, _AS_OF = _PLACE["known_at"], _PLACE["as_of"]
_encode = msgspec.json.Encoder().encode
_NO_ALERTS = b',"alerts":[],'

_Five: Any = msgspec.defstruct("CurrentMetrics", [(name, Any) for name in MONITORING_METRICS])
_Status: Any = msgspec.defstruct(
    "ExecutionStatus",
    [
        (name, Any)
        for name in (
            "order_id", "execution_progress", "current_metrics", "alerts", "performance_score",
            "last_updated", "metric_reasons", *_REST, "reasons", "caveats", "quote_age_ms",
            "venue_distribution", "published_at", "config_version",
        )
    ],
)  # fmt: skip
"""Its members in order; a struct is made and written in half the time of a dict."""


def status_bodies(
    rows: np.ndarray,
    names: Names,
    venues: Venues,
    *,
    at: Sequence[int] | None = None,
    published_ns: int = NO_TIME,
    config_version: str = "",
) -> list[bytes]:
    """One JSON object for each STATUS row, whose venues are those of entry `at[i]` (else i).

    `published_ns` is the wall clock, UNIX ns, and the only member that may differ between
    two runs.
    """
    published = None if published_ns == NO_TIME else format_rfc3339(published_ns)
    ages = _ages_ms(rows["ts"].tolist(), rows["quote_ts"].tolist())
    codes = np.ascontiguousarray(rows["reasons"])
    out: list[bytes] = []
    for i, values in enumerate(STATUS_SHAPE.values(rows, names)):
        missing = bytes(map(isnan, values[_N_FIELDS:]))
        of_five, null, caveats = _reasons(codes[i].tobytes(), missing)
        body = _Status(
            values[_ID], values[_PROGRESS], _Five(*_five_of(values)), (), values[_SCORE],
            values[_KNOWN] or values[_AS_OF], of_five, *_rest_of(values), null, caveats, ages[i],
            venue_shares(venues, i if at is None else at[i], names), published, config_version,
        )  # fmt: skip
        out.append(_encode(body))
    return out


def status_body(
    row: np.void,
    names: Names,
    venues: Venues,
    *,
    published_ns: int = NO_TIME,
    config_version: str = "",
) -> bytes:
    """The JSON object of one STATUS row; `venues` holds that row alone, or nothing."""
    return status_bodies(
        row.reshape(1), names, venues, published_ns=published_ns, config_version=config_version
    )[0]


def bodies_of(
    rows: Rows, at: Sequence[int], *, published_ns: int, config_version: str = ""
) -> list[bytes]:
    """The JSON objects of some status rows, each made once whoever asks first."""
    made = rows.bodies
    new = [i for i in at if i not in made]
    if new:
        bodies = status_bodies(
            rows.status[new],
            rows.names,
            rows.status_venues,
            at=new,
            published_ns=published_ns,
            config_version=config_version,
        )
        made.update(zip(new, bodies, strict=True))
    return [made[i] for i in at]


@lru_cache(maxsize=1 << 12)
def _reasons(codes: bytes, missing: bytes) -> tuple[msgspec.Raw, msgspec.Raw, msgspec.Raw]:
    """JSON of why specified metrics are null, why any is, and of the caveats of the others."""
    values = np.where(np.frombuffer(missing, bool), np.nan, 0.0).tolist()
    null, caveats = reasons_of(np.frombuffer(codes, np.uint8), STATUS_METRICS, values)
    five = {spec: null[name] for spec, name in MONITORING_METRICS.items() if name in null}
    return msgspec.Raw(_encode(five)), msgspec.Raw(_encode(null)), msgspec.Raw(_encode(caveats))


def _ages_ms(times: Sequence[int], quotes: Sequence[int]) -> list[float | None]:
    return [
        None if NO_TIME in (ts, quote_ts) else max(ts - quote_ts, 0) / MILLISECOND
        for ts, quote_ts in zip(times, quotes, strict=True)
    ]


def with_alerts(body: bytes, alerts: bytes) -> bytes:
    """A status with its alerts, a JSON array, in their place."""
    return body.replace(_NO_ALERTS, b',"alerts":' + alerts + b",", 1)


def write_order(row: np.ndarray) -> list[tuple[int, int, int]]:
    """Order of writes of STATUS rows: (events folded, final over provisional, market time).

    The greater one holds the newer state whichever was computed last, so neither a replay
    nor a late final row moves a status back.
    """
    times = np.maximum(row["ts"], row["known"])
    finals = 1 - row["provisional"].astype(np.int64)
    return list(zip(row["events"].tolist(), finals.tolist(), times.tolist(), strict=True))


_CLOSED = np.zeros(256, bool)
_CLOSED[[int(state) for state in OrderState if state in CLOSED_STATES]] = True


def is_closed(rows: np.ndarray) -> np.ndarray:
    """Whether each row's order expects no further execution."""
    return _CLOSED[rows["state"]]


def attention_ccy(rows: np.ndarray) -> np.ndarray:
    """How much an order deserves to be looked at, in its own currency.

    Remaining notional × expected cost plus the cost so far; parts not known count nothing.
    The price of what remains is the mid, else our average, else the limit.
    """
    price = (rows["bid"] + rows["ask"]) / 2.0
    for name in ("avg_px", "arrival_mid", "limit_px"):
        price = np.where(np.isfinite(price), price, rows[name])
    to_come = rows["leaves_qty"] * price * rows["expected_cost_bps"] * 1e-4
    return np.nan_to_num(to_come, nan=0.0) + np.nan_to_num(rows["slippage_ccy"], nan=0.0)
