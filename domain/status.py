"""The `ExecutionStatus` of an order as JSON: the specified members first, then the rest.

Numbers are in the unit their name gives, costs positive when bad for us on both sides. A
number that does not exist is null, with its reason under `reasons` (and `metric_reasons`
for the five specified metrics). Equal rows give equal bytes but for `published_at`.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np

from domain.instants import MILLISECOND, NO_TIME, format_rfc3339
from domain.records import ORDER_FIELDS, STATUS_SHAPE, Names, reasons_of, venue_shares
from domain.rows import STATUS_METRICS, Venues
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
_FIVE = tuple((spec, name, _PLACE[name]) for spec, name in MONITORING_METRICS.items())
_SPECIFIED = ("order_id", "execution_progress", "performance_score")
_REST = tuple(name for name in STATUS_SHAPE.names if name not in {*_SPECIFIED, "known_at"})
_rest_of = itemgetter(*(_PLACE[name] for name in _REST))
_ID, _PROGRESS, _SCORE = (_PLACE[name] for name in _SPECIFIED)
_KNOWN, _AS_OF = _PLACE["known_at"], _PLACE["as_of"]
_ENCODER = msgspec.json.Encoder()
_NO_ALERTS = b',"alerts":[],'


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
    quotes = rows["quote_ts"].tolist()
    times = rows["ts"].tolist()
    codes = rows["reasons"]
    out: list[bytes] = []
    for i, values in enumerate(STATUS_SHAPE.values(rows, names)):
        body = _status(values, codes[i])
        body["quote_age_ms"] = _age_ms(times[i], quotes[i])
        body["venue_distribution"] = venue_shares(venues, i if at is None else at[i], names)
        body["published_at"] = published
        body["config_version"] = config_version
        out.append(_ENCODER.encode(body))
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


def _status(values: list[Any], codes: np.ndarray) -> dict[str, Any]:
    null, caveats = reasons_of(codes, STATUS_METRICS, values[_N_FIELDS:])
    body: dict[str, Any] = {
        "order_id": values[_ID],
        "execution_progress": values[_PROGRESS],
        "current_metrics": {spec: values[at] for spec, _, at in _FIVE},
        "alerts": (),
        "performance_score": values[_SCORE],
        "last_updated": values[_KNOWN] or values[_AS_OF],
        "metric_reasons": {spec: null[name] for spec, name, _ in _FIVE if name in null},
    }
    body.update(zip(_REST, _rest_of(values), strict=True))
    body["reasons"] = null
    body["caveats"] = caveats
    return body


def _age_ms(ts: int, quote_ts: int) -> float | None:
    if NO_TIME in {ts, quote_ts}:
        return None
    return max(ts - quote_ts, 0) / MILLISECOND


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
