"""A simulation from its first message to its last, as messages, as a file, or live."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from domain.instants import END_OF_TIME, SECOND, format_rfc3339, parse_rfc3339
from domain.vocabulary import Topic
from sources.simulator.agenda import Agenda, Dice
from sources.simulator.crowd import Crowd
from sources.simulator.curves import Profile, Session, u_profile
from sources.simulator.desk import Desk
from sources.simulator.fills import Fills
from sources.simulator.intake import Intake
from sources.simulator.journal import Entry, Journal, Message, Stamps
from sources.simulator.market import SimulatedMarket
from sources.simulator.moves import plan_moves
from sources.simulator.publication import Publication
from sources.simulator.reference import reference_records
from sources.simulator.routing import Router
from sources.simulator.spec import SimulationSpec
from sources.simulator.spec_check import check_spec
from sources.simulator.trouble import Trouble

_DAY_NS = 86_400 * SECOND
_LINGER_NS = 10 * SECOND
"""Time for what is on its way to come in, after the last session."""
_ENCODER = msgspec.json.Encoder()


class Simulation:
    """One desk and its market. Everything follows from the specification and the seed.

    Raises ConfigurationError where the specification cannot be simulated. Each call of
    `messages` begins anew and gives the same.
    """

    def __init__(self, spec: SimulationSpec, seed: int = 0) -> None:
        check_spec(spec)
        self.spec = spec
        self.seed = seed

    def messages(self) -> Iterator[tuple[Topic, Message]]:
        """Every message in the order of its publication.

        Without faults event times never fall. Endless where the specification has neither
        a last session nor a duration. With `garbage` some messages are bytes.
        """
        for _, topic, message in _Run(self.spec, self.seed).entries():
            yield topic, message

    def write_ndjson(self, path: Path) -> int:
        """Write one message a line, each with its topic; returns how many.

        Raises OSError where the file cannot be written.
        """
        count = 0
        buffer = bytearray()
        with path.open("wb") as file:
            for topic, message in self.messages():
                buffer += encode_line(topic, message)
                count += 1
                if len(buffer) > 1 << 20:
                    file.write(buffer)
                    buffer.clear()
            file.write(buffer)
        return count

    def run_live(self, now_ns: Callable[[], int]) -> Iterator[tuple[int, Topic, Message]]:
        """The same as it happens: (UNIX ns when to publish, topic, message).

        The simulation starts at the `now_ns` of the first message taken, and its event times
        are those of the wall clock, `speed` simulated seconds to each of its seconds. The
        caller waits until each message is due; times never fall.
        """
        base = now_ns()
        spec = self.spec
        if spec.calendar == "24/7":
            spec = msgspec.structs.replace(spec, start_ts=format_rfc3339(base))
        run = _Run(spec, self.seed)
        run.stamps.follow(base, spec.speed)
        for t, topic, message in run.entries():
            yield run.stamps.outside(t), topic, message


def encode_line(topic: Topic, message: Message) -> bytes:
    """One line of NDJSON: the message with its topic. Garbage is written as it is."""
    if isinstance(message, bytes):
        return message.replace(b"\n", b" ") + b"\n"
    if isinstance(message, dict):
        return _ENCODER.encode({**message, "topic": topic}) + b"\n"
    message.topic = topic
    return _ENCODER.encode(message) + b"\n"


class _Run:
    """The parts of one run, joined."""

    def __init__(self, spec: SimulationSpec, seed: int) -> None:
        self._spec = spec
        self._start = parse_rfc3339(spec.start_ts)
        crowd_seed, desk_seed, fault_seed = np.random.SeedSequence(seed).spawn(3)
        self.stamps = Stamps(self._start)
        self._profile = u_profile(spec.session_s, spec.u_shape)
        self._agenda = Agenda()
        self._trouble = Trouble(spec.faults, self._start)
        self._publication = Publication(spec.faults, self._start, self.stamps, Dice(fault_seed))
        self._crowd = Crowd(spec, crowd_seed)
        self._journal = Journal(self.stamps)
        self._market = SimulatedMarket(
            spec, self._crowd, self._journal, _session(spec, self._start, 0, self._profile)
        )
        self._journal.market_seq_of = self._market.market_seq
        self._join_desk(Dice(desk_seed))

    def _join_desk(self, dice: Dice) -> None:
        spec, market, agenda, journal = self._spec, self._market, self._agenda, self._journal
        fills = Fills(spec.desk, market, agenda, journal, dice, self._trouble, spec.id_prefix)
        router = Router(spec.desk, market, agenda, journal, dice, self._trouble, fills)
        self._desk = Desk(market, agenda, journal, dice, self._trouble, router)
        self._intake = Intake(
            spec.desk,
            {s.symbol: s.currency for s in spec.symbols},
            market,
            agenda,
            journal,
            dice,
            self._desk,
            spec.id_prefix,
        )
        market.on_fill = router.fill
        names = [v.venue for v in spec.venues]
        kinds, trouble = {fault.kind for fault in spec.faults}, self._trouble
        if kinds & {"dead_venue", "quiet_venue"}:
            market.dead = lambda venue, t: (
                trouble.dead(name := names[venue], t) or trouble.quiet(name, t)
            )
        if "quiet_venue" in kinds:
            market.quiet = lambda venue, t: trouble.quiet(names[venue], t)
        market.overfills = lambda child, t: dice.happens(
            self._trouble.overfill_rate(names[child.venue], t)
        )

    def entries(self) -> Iterator[Entry]:
        """Every message with its time of publication."""
        if not self._spec.faults:
            return self._script()
        return self._publication.of(self._script())

    def _script(self) -> Iterator[Entry]:
        spec, start = self._spec, self._start
        end = END_OF_TIME
        if spec.duration_s is not None:
            end = start + round(spec.duration_s * SECOND)
        earliest = min([start, *(p.start_ns for p in spec.parents)])
        self._agenda.now = earliest
        if spec.send_reference:
            for record in reference_records(spec, self.stamps.text(earliest)):
                yield earliest, Topic.REFERENCE, record
        self._plan(start)
        number = 0
        while spec.sessions is None or number < spec.sessions:
            session = _session(spec, start, number, self._profile)
            if max(session.open_ns, start) >= end:
                break
            yield from self._trade(session, max(session.open_ns, start), end, first=number == 0)
            number += 1
        yield from self._until(self._agenda.now + _LINGER_NS)

    def _plan(self, start: int) -> None:
        for parent in self._spec.parents:
            self._intake.list_parent(parent)
        for halt in self._spec.halts:
            begin = start + round(halt.start_s * SECOND)
            self._agenda.at(begin, self._halt, halt.symbol)
            self._agenda.at(begin + round(halt.duration_s * SECOND), self._resume, halt.symbol)
        names = tuple(s.symbol for s in self._spec.symbols)
        plan_moves(self._spec.faults, start, names, self._agenda, self._market.drift)

    def _halt(self, symbol: str) -> None:
        self._market.halt(self._agenda.now, symbol)
        self._desk.suspend(symbol)

    def _resume(self, symbol: str) -> None:
        self._market.resume(self._agenda.now, symbol)
        self._desk.resume(symbol)

    def _trade(self, session: Session, begin: int, end: int, *, first: bool) -> Iterator[Entry]:
        yield from self._until(begin)
        close = min(session.close_ns, end)
        if not first:
            self._crowd.gap()
        opened = begin == session.open_ns
        self._market.open_session(session, auction=self._spec.auctions and opened)
        self._intake.begin(begin, close)
        agenda, market, entries = self._agenda, self._market, self._journal.entries
        for event in self._crowd.events(session, begin, close):
            while agenda.next_time <= event.t:
                agenda.run_next()
            market.apply(event)
            if entries:
                yield from entries
                entries.clear()
        yield from self._until(close)
        agenda.now = close
        whole = close == session.close_ns
        if whole and self._spec.calendar == "24/7":
            return
        self._intake.stop()
        self._desk.done_for_day()
        self._market.close_session(close, auction=self._spec.auctions and whole)
        yield from self._until(close + 2 * SECOND)

    def _until(self, t: int) -> Iterator[Entry]:
        agenda, entries = self._agenda, self._journal.entries
        while agenda.next_time <= t:
            agenda.run_next()
            yield from entries
            entries.clear()
        yield from entries
        entries.clear()


def _session(spec: SimulationSpec, start: int, number: int, profile: Profile) -> Session:
    first_open = start - start % _DAY_NS if spec.calendar == "24/7" else start
    step_ns = max(_DAY_NS, round(spec.session_s * SECOND))
    return Session(first_open + number * step_ns, spec.session_s, profile)
