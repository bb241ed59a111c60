"""Any days of some desks, for properties: what rules see, people do, and who is silenced."""

from hypothesis import strategies as st

from domain.alerts import AlertAction, CloseReason, Crossing
from domain.published import Severity
from tests.alert_desk import (
    ALGO,
    COST,
    DATA,
    IMPACT,
    SLOW,
    VENUE,
    action,
    as_json,
    crossing,
    ns,
    silence,
    text,
)

DESKS = ("US", "-")
_CONDITIONS = [
    *((scope, type_) for scope in ("A1", "A2", "A3") for type_ in (SLOW, COST, IMPACT)),
    ("venue:XNAS", VENUE), ("venue:ARCX", VENUE), ("algo:VWAP|BRK1", ALGO), ("feed:m-1", DATA),
]  # fmt: skip
_ABOVE = {"A2": ["A1"], "A3": ["A1", "A2"]}
_severities = st.sampled_from([*Severity, None])
_gaps = st.sampled_from([0, 0, 0.005, 1, 5, 40, 130, 400, 1000])
_conditions = st.sampled_from(_CONDITIONS)
_desks = st.sampled_from(DESKS)


@st.composite
def _crossings(draw, t, seen):
    if seen and draw(st.booleans()):
        desk, (scope, type_) = draw(st.sampled_from(seen))
    else:
        desk, (scope, type_) = draw(_desks), draw(_conditions)
        seen.append((desk, (scope, type_)))
    return crossing(
        t, draw(_severities), scope, type_, desk=desk, seq=draw(st.integers(0, 2)),
        main_venue=draw(st.sampled_from(["", "XNAS", "ARCX"])), ended=draw(st.booleans()),
        ancestors=_ABOVE.get(scope, []) if draw(st.booleans()) else [],
        limit_bound=draw(st.integers(0, 5)) == 0, pages=draw(st.integers(0, 5)) > 0,
        recommendation=draw(st.sampled_from(["", "Slow down"])),
    )  # fmt: skip


@st.composite
def _actions(draw, t, seen):
    desk, (scope, type_) = draw(st.sampled_from(seen))
    kind = draw(st.sampled_from(["alert_acknowledged", "alert_snoozed", "alert_closed"]))
    more = {}
    if kind == "alert_snoozed":
        more["until"] = text(t + draw(st.sampled_from([-5, 60, 900, 9000])))
    if kind == "alert_closed":
        more["reason"] = draw(st.sampled_from(CloseReason))
    ordinal = draw(st.sampled_from([1, 1, 1, 2, 2, 3]))
    return action(kind, t, scope, type_, ordinal, desk, **more)


@st.composite
def _silences(draw, t):
    return silence(
        t, t + draw(st.sampled_from([-1, 30, 600, 5000])), draw(st.sampled_from(["s1", "s2"])),
        draw(st.sampled_from([*DESKS, "*"])),
        alert_type=draw(st.sampled_from([None, SLOW, VENUE])),
        about=draw(st.sampled_from([None, None, "A1", "venue:XNAS"])),
    )  # fmt: skip


@st.composite
def days(draw, most=30):
    """(seconds, crossing, action or silence) in order of time, and the end in seconds."""
    t, out, seen = 0, [], []
    for _ in range(draw(st.integers(1, most))):
        t += draw(_gaps)
        kind = draw(st.integers(0, 9))
        if seen and kind < 3:
            made = _actions(t, seen)
        else:
            made = _silences(t) if kind == 3 else _crossings(t, seen)
        out.append((t, draw(made)))
    return out, t + draw(st.sampled_from([0, 1, 900, 8000]))


def happen(book, t, what):
    """The transitions of one of the above, its timers before it."""
    out = book.fire(ns(t))
    if isinstance(what, Crossing):
        return out + book.take(what)
    if isinstance(what, AlertAction):
        return out + book.act(ns(t), what)
    return out + book.silence(ns(t), what)


def as_rows(day):
    """The same as (crossings, controls) for the step."""
    crossings = [what for _, what in day if isinstance(what, Crossing)]
    controls = [(ns(t), as_json(what)) for t, what in day if not isinstance(what, Crossing)]
    return crossings, controls
