import msgspec
import pytest

from domain.errors import ConfigurationError
from sources.simulator.presets import day_spec, demo_spec
from sources.simulator.script import Simulation
from sources.simulator.spec import DeskSpec, FaultSpec, HaltSpec
from sources.simulator.spec_check import load_spec

TOML = """
duration_s = 5.0
index_symbol = "IDX"

[[symbols]]
symbol = "IDX"
price = 100.0
adv_qty = 1e9

[[venues]]
venue = "XNAS"

[desk]
open_parents = 2

[[faults]]
kind = "dead_venue"
venue = "XNAS"
end_s = 3.0
"""


def test_a_simulation_can_be_written_as_toml(tmp_path):
    path = tmp_path / "sim.toml"
    path.write_text(TOML)

    spec = load_spec(path)

    assert spec.desk.open_parents == 2
    assert spec.faults[0].kind == "dead_venue"
    assert len(list(Simulation(spec).messages())) > 50


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("price = 100.0", "price = 0.0", "price of IDX must be positive"),
        ("price = 100.0", "cost = 1.0", "unknown field `cost`"),
        ('kind = "dead_venue"', 'kind = "gremlins"', "Invalid enum value 'gremlins'"),
        ('venue = "XNAS"\nend_s', 'venue = "XLON"\nend_s', "fault.venue must be one of XNAS"),
        ("duration_s", "= duration_s", "Invalid"),
    ],
)
def test_a_bad_file_is_refused_in_words(tmp_path, old, new, words):
    path = tmp_path / "sim.toml"
    path.write_text(TOML.replace(old, new))

    with pytest.raises(ConfigurationError, match=words):
        load_spec(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot read the simulation .*nothing.toml"):
        load_spec(tmp_path / "nothing.toml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbols": ()}, "at least one symbol and one venue"),
        ({"venues": ()}, "at least one symbol and one venue"),
        ({"index_symbol": "NONE"}, "index_symbol must be one of AAA"),
        ({"halts": (HaltSpec(symbol="ZZZ", start_s=1),)}, "halt.symbol must be one of"),
        ({"faults": (FaultSpec(kind="garbage", rate=2),)}, "fault.rate must be 0–1"),
        (
            {"faults": (FaultSpec(kind="costly_algorithm", broker="NOBODY"),)},
            "fault.broker must be one of BRK1, BRK2, BRK3, was 'NOBODY'",
        ),
        (
            {"faults": (FaultSpec(kind="market_move", bps=40.0),)},
            "a market_move needs an end after its start, was inf s",
        ),
        ({"desk": DeskSpec(algorithms={"SNIPER": 1.0})}, "not SNIPER"),
        ({"speed": 0.0}, "session_s and speed must be positive"),
        ({"start_ts": "tomorrow"}, "start_ts: expected a time"),
    ],
)
def test_a_specification_that_cannot_run_is_refused(small, changes, words):
    with pytest.raises(ConfigurationError, match=words):
        Simulation(msgspec.structs.replace(small, **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbol": "BBB"}, "each symbol may be listed once"),
        ({"tail_df": 2.0}, "tail_df of AAA must be above 2"),
        ({"spread_bps": -1.0}, "spread_bps of AAA must not be negative"),
        ({"adv_qty": 1000.0}, "adv_qty of AAA must be at least"),
    ],
)
def test_a_symbol_that_cannot_trade_is_refused(small, changes, words):
    first, *others = small.symbols
    symbols = (msgspec.structs.replace(first, **changes), *others)

    with pytest.raises(ConfigurationError, match=words):
        Simulation(msgspec.structs.replace(small, symbols=symbols))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbol": "ZZZ"}, "parent.symbol must be one of"),
        ({"quantity": -5}, "quantity must be positive, was -5"),
        ({"side": "buy"}, "side must be one of"),
    ],
)
def test_a_listed_order_is_checked(small, changes, words):
    parents = (msgspec.structs.replace(small.parents[0], **changes),)

    with pytest.raises(ConfigurationError, match=words):
        Simulation(msgspec.structs.replace(small, parents=parents))


def test_the_presets_can_run():
    for spec in (demo_spec(events_per_s=1000.0), demo_spec(events_per_s=5.0), day_spec()):
        assert len(Simulation(spec).spec.symbols) == 12
