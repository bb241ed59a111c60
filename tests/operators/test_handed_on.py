"""What the order stage hands on to the rules: control messages, and how far it is."""

from domain.batch import Batch
from operators.orders.group import OrderSettings

TOLD = b'{"type":"monitoring_started","order_id":"A","alert_thresholds":{"SLIPPAGE":30}}'


def handed_on(lab, tape, **settings):
    desk = lab.Desk(orders=OrderSettings(**settings))
    desk.push(Batch(1, watermark=lab.T0, references=[TOLD]))
    desk.push(*tape.batches())
    return desk.rows


def test_the_rules_are_given_control_messages_before_time_is_past_them(lab, tape):
    for t in range(30):
        tape.quote(t, 9.99, 10.01)
    tape.accept(1, 1_000)

    rows = handed_on(lab, tape, progress_ns=20_000_000)

    told = [(i, one) for i, one in enumerate(rows) if one.controls]
    assert {raw for _, one in told for _, raw in one.controls} == {TOLD}
    assert all(one.watermark <= lab.T0 for _, one in told)
    assert any(one.is_empty and one.watermark > lab.T0 for one in rows)


def test_without_rules_nothing_is_handed_on(lab, tape):
    tape.quote(1, 9.99, 10.01)
    rows = handed_on(lab, tape)
    assert not any(one.controls or one.references for one in rows)
