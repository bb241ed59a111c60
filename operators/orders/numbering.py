"""Kernels that value an order with the market it met and give it its next numbered row."""

from domain.vocabulary import EventKind
from operators.kernel import Row, Table, kernel
from operators.orders.layout import RESTATED_LAST, RESTATED_ONCE
from operators.orders.measure import measure
from operators.orders.tables import Tables

_MARK = int(EventKind.MARK)


@kernel
def see_market(order: Row, row: Row) -> None:
    """Value the order from now on with the market of this row, unless it knows a newer one.

    Of one instant the greater market sequence is the newer.
    """
    if row.ts_event < order.now_ts:
        return
    if row.ts_event == order.now_ts and row.market_seq < order.now_market_seq:
        return
    order.now_ts = row.ts_event
    order.now_market_seq = row.market_seq
    order.now_bid = row.bid
    order.now_ask = row.ask
    order.now_quote_ts = row.quote_ts
    order.now_vol = row.vol_close
    order.now_pv = row.pv_close
    order.now_mid_s = row.mid_s
    order.now_open_s = row.open_s
    order.now_open_px = row.open_px
    order.now_session_x = row.session_x
    order.now_day_vol = row.day_vol
    order.now_flags = row.stamp_flags
    order.now_calendar = row.calendar


@kernel
def count_event(order: Row, row: Row) -> None:
    """The order's state holds one more event."""
    order.events += 1
    order.kind = row.kind
    order.ts_ingest = max(order.ts_ingest, row.ts_ingest)
    order.now_known = max(order.now_known, row.t_eff)


@kernel
def write_numbered(
    tables: Tables, references: Table, slot: int, restated: bool, status: Row
) -> None:
    """Write the order's status under its next number: what is shown is all there is."""
    order = tables.orders[slot]
    order.row_seq += 1
    order.unshown = 0
    measure(tables, references, slot, status)
    status.numbered = 1
    order.restated &= RESTATED_ONCE
    if restated:
        order.restated = RESTATED_ONCE | RESTATED_LAST
        status.restated = 1


@kernel
def write_unshown(tables: Tables, references: Table, slots: Table, out: Table) -> None:
    """A numbered status of each order as it stands, like a mark."""
    for i in range(slots.shape[0]):
        write_numbered(tables, references, slots[i], False, out[i])
        out[i].kind = _MARK
