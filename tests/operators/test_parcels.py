"""The way of crossings and control messages to the groups of desks."""

import pickle

import pytest

from domain.instants import END_OF_TIME, MILLISECOND, NO_TIME
from domain.keys import GROUP_KEYS, GROUPS
from domain.wire import topic_of
from operators.alerts.parcels import CONTROL_TYPES, DeskRouter, Parcel, desk_group, desk_groups
from tests.alert_desk import action, as_json, crossing, ns, silence

US, EU = desk_group("US", GROUPS), desk_group("EU", GROUPS)
NOW = ns(1)


def route(router, *parcels):
    return {
        (GROUP_KEYS.index(key), parcel.source): parcel
        for key, parcel in router([("up", parcel) for parcel in parcels])
    }


def settled(*sources):
    """A router whose sources have all said how far they are."""
    router = DeskRouter(GROUPS)
    route(router, *(Parcel(source, NOW) for source in sources))
    return router


def test_a_crossing_goes_to_the_group_of_its_desk_with_its_watermark():
    us, eu = crossing(1, desk="US"), crossing(1, desk="EU")

    dealt = route(settled(3), Parcel(3, NOW + 1, [us, eu]))

    assert US != EU
    assert {key: parcel.crossings for key, parcel in dealt.items()} == {
        (US, 3): [us],
        (EU, 3): [eu],
    }
    assert {parcel.watermark for parcel in dealt.values()} == {NOW + 1}


def test_what_arrives_together_is_one_parcel_for_each_source():
    first, second = crossing(1, desk="US"), crossing(2, desk="US")

    dealt = route(
        settled(0, 1), Parcel(1, NOW + 1, [first]), Parcel(0, NOW + 1, [first]),
        Parcel(1, NOW + 2, [second]),
    )  # fmt: skip

    assert list(dealt) == [(US, 0), (US, 1)]
    assert dealt[US, 1].crossings == [first, second]
    assert dealt[US, 1].watermark == NOW + 2


def test_an_action_goes_to_its_desk_once_and_a_silence_of_all_desks_to_every_group():
    ack = (NOW, as_json(action("alert_acknowledged", desk="US")))
    everywhere = (NOW, as_json(silence(0, 60, desk="*")))

    dealt = route(settled(0), Parcel(0, NOW + 1, [], [ack, everywhere, ack, everywhere]))

    assert len(dealt) == GROUPS
    assert [p.controls for (g, _), p in dealt.items() if g == US] == [[ack, everywhere]]
    assert all(p.controls == [everywhere] for (g, _), p in dealt.items() if g != US)


def test_what_asks_for_everything_once_more_goes_to_every_group():
    again = b'{"type":"status_republish_requested","order_id":"*"}'

    assert list(desk_groups(again, GROUPS)) == list(range(GROUPS))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"type":7}', b'{"type":"monitoring_started","scope":"US"}', b"{}"]
)
def test_other_messages_stay_behind(raw):
    assert list(desk_groups(raw, GROUPS)) == []
    assert route(settled(0), Parcel(0, NOW + 1, [], [(NOW, raw)])) == {}


def test_every_message_about_alerts_is_known_to_the_bus():
    assert {topic_of(type_) for type_ in CONTROL_TYPES} == {"control"}


def test_a_bare_watermark_goes_on_once_for_each_stretch_of_the_grid():
    router = settled(0)
    grid = 20 * MILLISECOND
    start = NOW // grid * grid

    assert len(route(router, Parcel(0, start + grid))) == GROUPS
    assert route(router, Parcel(0, start + 2 * grid - 1)) == {}
    assert len(route(router, Parcel(0, start + 2 * grid))) == GROUPS
    assert len(route(router, Parcel(1, start + 2 * grid))) == GROUPS, "another source"


def test_a_source_that_says_nothing_of_time_is_not_passed_on():
    assert route(DeskRouter(GROUPS), Parcel(0, NO_TIME)) == {}


def test_the_end_reaches_every_group_with_the_last_event_time():
    dealt = route(settled(0), Parcel(0, NOW + 1), Parcel(0, END_OF_TIME, end=NOW))

    assert len(dealt) == GROUPS
    assert {(p.watermark, p.end) for p in dealt.values()} == {(END_OF_TIME, NOW)}


def test_a_source_that_resumes_says_its_watermark_again():
    router = settled(0)
    later = NOW + 10**9
    route(router, Parcel(0, later))

    assert len(route(router, Parcel(0, NOW))) == GROUPS


def test_a_parcel_travels_between_processes():
    parcel = Parcel(1, 2, [crossing(1)], [(3, b"{}")], 4)

    assert pickle.loads(pickle.dumps(parcel)) == parcel
