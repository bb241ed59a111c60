"""The desk step: what rules saw and people did, in order of event time, becomes alerts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.operators import stateful_batch as _stateful_batch

from domain.alerts import AlertAction, AlertChange, Crossing, Silence
from domain.errors import other_version
from domain.events import REPUBLISH, Envelope
from domain.instants import END_OF_TIME, NO_TIME
from operators.alerts.inbox import Inbox
from operators.alerts.parcels import Parcel
from rules.alert_book import AlertBook

VERSION = 2
"""Of the snapshots of this step."""
Row = Crossing | tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """What the desk step needs to know."""

    sources: int
    """How many upstream groups speak to each desk group."""


class _Waiting(msgspec.Struct, array_like=True):
    source: int
    crossing: Crossing | None = None
    control: tuple[int, bytes] | None = None


_encode = msgspec.msgpack.encode
_WAITING = msgspec.msgpack.Decoder(list[_Waiting])
_ENVELOPE = msgspec.json.Decoder(Envelope)
_ACTION = msgspec.json.Decoder(AlertAction)
_SILENCE = msgspec.json.Decoder(Silence)


class DeskLogic(StatefulBatchLogic[Parcel, AlertChange, Any]):
    """Alerts of one group of desks, and the rows that wait for slower sources."""

    def __init__(self, settings: DeskSettings, resume: tuple[Any, ...] | None) -> None:
        self._inbox: Inbox[Row] = Inbox(settings.sources, _place)
        self._book = AlertBook()
        self._end = NO_TIME
        """The last event time of the input, as far as sources that ended know it."""
        if resume is not None:
            version, watermarks, waiting, book, self._end = resume
            if version != VERSION:
                raise other_version("the alerts' snapshot", version, VERSION)
            rows = [(w.source, w.crossing or w.control) for w in _WAITING.decode(waiting)]
            self._inbox.load(watermarks, [(source, row) for source, row in rows if row])
            self._book = AlertBook(book)

    def snapshot(self) -> tuple[Any, ...]:
        """Version, watermarks, packed rows that wait, packed alerts, and the input's end."""
        watermarks, rows = self._inbox.dump()
        waiting = [
            _Waiting(source, crossing=row)
            if isinstance(row, Crossing)
            else _Waiting(source, control=row)
            for source, row in rows
        ]
        return VERSION, watermarks, _encode(waiting), self._book.dump(), self._end

    def on_batch(self, values: list[Parcel]) -> tuple[Iterable[AlertChange], bool]:
        """Take what has arrived and do what every source is past."""
        for parcel in values:
            rows: list[Row] = [*parcel.crossings, *parcel.controls]
            self._inbox.add(parcel.source, rows, parcel.watermark)
            if parcel.end != END_OF_TIME:
                self._end = max(self._end, parcel.end)
        out: list[AlertChange] = []
        before: Row | None = None
        for row in self._inbox.release():
            # A control message comes from every group of orders, and at one place.
            if row == before and not isinstance(row, Crossing):
                continue
            before = row
            out += self._book.fire(_place(row)[0])
            if isinstance(row, Crossing):
                out += self._book.take(row)
            else:
                out += self._obey(*row)
        watermark = self._inbox.watermark
        if watermark > NO_TIME:
            # Where the input ends, time does not run on.
            out += self._book.fire(self._end if watermark == END_OF_TIME else watermark - 1)
        return out, False

    def on_eof(self) -> tuple[Iterable[AlertChange], bool]:
        """Nothing happens here: the end of the input travels as a watermark."""
        return [], False

    def _obey(self, at: int, raw: bytes) -> list[AlertChange]:
        """Take a control message; one that cannot be read is nobody's order."""
        try:
            type_ = _ENVELOPE.decode(raw).type
            if type_ == REPUBLISH:
                return self._book.shown()
            if type_ == "silence_set":
                return self._book.silence(at, _SILENCE.decode(raw))
            return self._book.act(at, _ACTION.decode(raw))
        except msgspec.DecodeError:
            return []


def _place(row: Row) -> tuple[Any, ...]:
    """Control messages before crossings of the same time; parents before their children."""
    if isinstance(row, Crossing):
        return row.t, 1, len(row.ancestors), row.scope, row.type, row.seq, row.desk
    return row[0], 0, row[1]


def track_alerts(
    step_id: str, up: KeyedStream[Parcel], settings: DeskSettings
) -> KeyedStream[AlertChange]:
    """Give alerts their life and every transition of it, in order, keyed by desk group."""

    def build(resume: tuple[Any, ...] | None) -> DeskLogic:
        return DeskLogic(settings, resume)

    return _stateful_batch(step_id, up, build)
