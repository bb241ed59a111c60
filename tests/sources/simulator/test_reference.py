import msgspec
import pytest

from domain.reference_check import decode_reference
from domain.vocabulary import Topic
from sources.simulator.presets import day_spec, demo_spec
from sources.simulator.reference import reference_records


@pytest.mark.parametrize("spec", [day_spec(), demo_spec()])
def test_reference_records_are_accepted_and_say_what_is_simulated(spec):
    records = [decode_reference(msgspec.json.encode(r)) for r in reference_records(spec)]

    assert [r.symbol for r in records] == [s.symbol for s in spec.symbols]
    for record, symbol in zip(records, spec.symbols, strict=True):
        assert record.adv_qty == symbol.adv_qty
        assert record.sigma_daily_bps == symbol.sigma_daily_bps
        assert record.index_symbol == spec.index_symbol
        assert record.calendar == spec.calendar
        assert sum(record.volume_curve) == pytest.approx(1)
        mean_square = sum(v * v for v in record.volatility_curve) / len(record.volatility_curve)
        assert mean_square == pytest.approx(1)


def test_the_index_follows_itself(small):
    by_symbol = {r["symbol"]: r for r in reference_records(small)}

    assert by_symbol["I X#"]["beta"] == 1.0
    assert by_symbol["BBB"]["beta"] == 0.7


def test_without_an_index_no_beta_is_claimed(small):
    records = reference_records(msgspec.structs.replace(small, index_symbol=None))

    assert all("beta" not in r and "index_symbol" not in r for r in records)


def test_reference_comes_first_or_not_at_all(simulate):
    with_them = [t for t, _ in simulate(duration_s=5.0)]
    without = [t for t, _ in simulate(duration_s=5.0, send_reference=False)]

    assert with_them[:3] == [Topic.REFERENCE] * 3
    assert without == with_them[3:]
