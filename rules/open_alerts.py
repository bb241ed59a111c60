"""The alerts that are not over: each transition, what it means for others, what falls due."""

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any

import msgspec

from domain.alerts import SYSTEM, Alert, AlertChange, AlertState, Change, dedupe_key, rank
from domain.instants import END_OF_TIME, SECOND
from rules.alert_numbers import Memory
from rules.covered import Covered
from rules.inhibition import (
    HALT,
    NONE,
    Cause,
    Key,
    closed_by_hand,
    coverers_of,
    explained_by,
    family_of,
    is_of_family,
    key_of_alert,
    reach,
    reach_of,
)
from rules.lifecycle import Life, step
from rules.silences import Quiet, Silences
from rules.timers import Timer, next_due

_GIVE_BACK_EVERY_NS = 3600 * SECOND


class _Saved(msgspec.Struct, array_like=True):
    lives: list[Life]
    memory: Memory
    quiet: list[Quiet]
    give_back_at: int


_encode = msgspec.msgpack.encode
_SAVED = msgspec.msgpack.Decoder(_Saved)


class OpenAlerts:
    """Lives by desk, scope and type, with silences, numbers and timers.

    Whoever changes a life, a silence or the memory does so through here, or says `touch`.
    """

    def __init__(self, saved: bytes | None = None) -> None:
        self._lives: dict[Key, Life] = {}
        self._key_of_id: dict[str, Key] = {}
        self._covered = Covered()
        self.memory = Memory()
        self.silences = Silences()
        self._timers: list[tuple[int, Timer, Key]] = []
        self._give_back_at = END_OF_TIME
        self._out: list[AlertChange] = []
        self._saved = saved
        if saved is not None:
            self._resume(_SAVED.decode(saved))

    def _resume(self, saved: _Saved) -> None:
        self.memory, self._give_back_at = saved.memory, saved.give_back_at
        for life in saved.lives:
            self._add(key_of_alert(life.alert), life)
            self._schedule(life)
        for quiet in saved.quiet:
            self.add_silence(quiet)
        self._saved = None

    def dump(self) -> bytes:
        """Everything, for the constructor; made anew only where something changed."""
        if self._saved is None:
            whole = _Saved(
                list(self._lives.values()), self.memory, self.silences.all(), self._give_back_at
            )
            self._saved = _encode(whole)
        return self._saved

    def touch(self, at: int = END_OF_TIME) -> None:
        """Something changed; what is remembered since `at` is given back in time."""
        self._saved = None
        if at < END_OF_TIME:
            self._give_back_at = min(self._give_back_at, at + _GIVE_BACK_EVERY_NS)

    def given(self) -> list[AlertChange]:
        """The transitions since the last call, in order."""
        out, self._out = self._out, []
        return out

    # Lives

    def get(self, key: Key) -> Life | None:
        """The open alert of a key."""
        return self._lives.get(key)

    def keys(self) -> list[Key]:
        """Of every open alert, in order."""
        return sorted(self._lives)

    def shown(self) -> list[AlertChange]:
        """Every open alert with its newest transition, for a store that may have lost them."""
        return [
            AlertChange(
                alert=life.alert, transition=life.last, publish=False, notify=False, again=True
            )
            for life in map(self._lives.__getitem__, self.keys())
            if life.last is not None
        ]

    def alert(self, alert_id: str, at: int) -> Alert | None:
        """An alert that is open, or has been over for less than a day at `at`."""
        key = self._key_of_id.get(alert_id)
        return self.memory.body(alert_id, at) if key is None else self._lives[key].alert

    def renew(self, life: Life, alert: Alert) -> None:
        """Take over an open alert's newest numbers, which are no transition."""
        life.alert = alert
        self._covered.note(key_of_alert(alert), coverers_of(alert))
        self.touch()

    def _add(self, key: Key, life: Life) -> None:
        self._lives[key] = life
        self._covered.note(key, coverers_of(life.alert))
        self._key_of_id[life.alert.alert_id] = key

    def begin(self, life: Life, why: str) -> None:
        """Raise an alert that has no transition yet."""
        alert = life.alert
        self._add(key_of_alert(alert), life)
        cause = self.cause(alert, alert.started_at)
        members = {"suppressed_by": cause.by, "group": cause.group} if cause else {}
        life.spoken_for = self._is_spoken_for(alert, alert.started_at)
        self.put(life, alert.started_at, Change.RAISED, why=why, page=True, **members)

    def put(self, life: Life, at: int, change: Change, **more: Any) -> None:
        """Write a transition, as `step` takes it; what it means for other alerts follows it."""
        before = NONE if change is Change.RAISED else reach(life.alert)
        self._out.append(step(life, at, change, **more))
        self.touch()
        alert = life.alert
        if alert.state.is_over:
            del self._lives[key_of_alert(alert)], self._key_of_id[alert.alert_id]
            self._covered.note(key_of_alert(alert), ())
            self.memory.of(alert.dedupe_key, at).published_seq = alert.published_seq
            self.memory.keep(alert, at)
            self.touch(at)
        else:
            self._schedule(life)
        # Children end with their order, within the same instant or soon after it.
        ends_family = change is Change.EXPIRED and is_of_family(key_of_alert(alert))
        if reach(alert) != before and not ends_family:
            self.explain_covered(key_of_alert(alert), at)

    # Time

    def _schedule(self, life: Life) -> None:
        due = next_due(life)
        if due is not None:
            heappush(self._timers, (*due, key_of_alert(life.alert)))

    def add_silence(self, quiet: Quiet) -> None:
        """Put a silence in force until its end."""
        self.silences.add(quiet)
        name = (quiet.silence.silence_id, "", "")
        heappush(self._timers, (quiet.until, Timer.SILENCE_END, name))
        self.touch()

    def next_due(self, until: int) -> tuple[int, Timer, Life] | None:
        """The next alert that changes by itself up to and with `until`; silences end meanwhile."""
        while self._timers and self._timers[0][0] <= until:
            at, timer, key = heappop(self._timers)
            if timer is Timer.SILENCE_END:
                if self.silences.ends(key[0], at):
                    self.silences.lift(key[0])
                    self.explain_all(at)
                continue
            life = self._lives.get(key)
            if life is not None and next_due(life) == (at, timer):
                return at, timer, life
        return None

    def give_back(self, until: int) -> None:
        """Let go of what counts as forgotten, now and then."""
        if until >= self._give_back_at:
            self.memory.give_back(until)
            self._give_back_at = until + _GIVE_BACK_EVERY_NS
            self.touch()

    # What explains what

    def cause(self, alert: Alert, at: int) -> Cause | None:
        """What explains an alert now: a halt before another alert, and that before a silence."""
        if alert.halted:
            return HALT
        found = self._first(coverers_of(alert), alert, at)
        return found if found is not None else self.silences.cause(alert)

    def _is_spoken_for(self, alert: Alert, at: int) -> bool:
        return self._first(family_of(alert), alert, at) is not None

    def _first(self, keys: Iterable[Key], alert: Alert, at: int) -> Cause | None:
        """The first of some causes that reaches as far as an alert."""
        causes = (self._coverer(key, rank(alert.severity), at) for key in keys)
        return next((cause for cause in causes if cause is not None), None)

    def _coverer(self, key: Key, least: int, at: int) -> Cause | None:
        """The cause that the alert of a key is, if it reaches as far as a rank."""
        life = self._lives.get(key)
        if life is not None:
            return explained_by(life.alert) if reach(life.alert) >= least else None
        closed = self.memory.closed(dedupe_key(*key), at) if is_of_family(key) else None
        if closed is None or reach_of(key[2], closed[1]) < least:
            return None
        return closed_by_hand(key, closed[0])

    def explain(self, life: Life, at: int, by: str = SYSTEM) -> None:
        """Bring what is said of an alert's cause up to date."""
        alert = life.alert
        cause = self.cause(alert, at)
        life.spoken_for = self._is_spoken_for(alert, at)
        self.touch()
        if cause is None:
            if alert.suppressed_by is not None:
                self.put(
                    life, at, Change.UNSUPPRESSED, by=by, why="nothing explains it any more",
                    page=alert.state is not AlertState.ACKED, suppressed_by=None, group=None,
                )  # fmt: skip
        elif cause.by != alert.suppressed_by:
            self.put(
                life, at, Change.SUPPRESSED, by=by, why=cause.why,
                suppressed_by=cause.by, group=cause.group,
            )  # fmt: skip

    def explain_all(self, at: int, by: str = SYSTEM) -> None:
        """The same for every open alert."""
        for key in self.keys():
            self.explain(self._lives[key], at, by)

    def explain_covered(self, coverer: Key, at: int) -> None:
        """The same for every open alert that the alert of a key may explain."""
        for key in self._covered.by(coverer):
            self.explain(self._lives[key], at)
