import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.keys import crc_of, key_of
from domain.validate import check_id
from sources.hashing import hash_integers, hash_names
from sources.names import LateNames

texts = st.lists(st.one_of(st.none(), st.text(max_size=120).filter(lambda t: t.isprintable() or t)))


def _valid(text: str) -> bool:
    return not any(0xD800 <= ord(c) < 0xE000 for c in text)


@given(texts.map(lambda many: [t for t in many if t is None or _valid(t)]), st.integers(0, 3))
def test_a_column_of_names_hashes_as_each_name_does(many: list[str | None], skip: int) -> None:
    hashed = hash_names(pa.array(many, pa.string()).slice(skip))

    rest = [t or "" for t in many[skip:]]
    assert hashed.key.tolist() == [key_of(t) for t in rest]
    assert hashed.crc.tolist() == [crc_of(t) for t in rest]
    for text, odd in zip(rest, hashed.odd.tolist(), strict=True):
        try:
            check_id("id", text)
        except Refused:
            assert odd


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_a_whole_number_hashes_as_its_digits(many: list[int]) -> None:
    values = np.array(many, np.int64)

    hashed = hash_integers(values, values % 5 == 0)

    digits = ["" if v % 5 == 0 else str(v) for v in many]
    assert hashed.key.tolist() == [key_of(t) for t in digits]
    assert hashed.crc.tolist() == [crc_of(t) for t in digits]


def test_late_names_are_loaded_once_and_found_by_key() -> None:
    loads: list[int] = []

    def load() -> list[pa.Array]:
        loads.append(1)
        return [pa.array(["E1", None, "E2"]), pa.array([77, 78])]

    names = LateNames(load)

    assert not loads
    assert [names.get(key_of(n)) for n in ("E2", "77", "E9")] == ["E2", "77", None]
    assert names.get(0) is None
    assert loads == [1]
    assert LateNames(list).get(key_of("E1")) is None
