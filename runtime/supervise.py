"""Keeping the processes of a deployment running: it knows processes, and no trading.

Each unit starts once everything it depends on is ready. One that ends starts again, after a
pause that doubles and is never the same twice; a stretch of good running forgets old falls.
How it ended decides what follows:

- an exit code that no repetition will change (`hopeless`) ends the deployment with that code,
  but for one of a unit that is not `essential` once all had been well;
- one that waits for somebody else (`waiting`) is repeated for as long as it takes;
- anything else is a crash: an `essential` unit that does not get well within `give_up_s`
  ends the deployment with GAVE_UP, others are tried on while the rest works.

A deployment that is asked to stop drains in reverse order, one unit after the other.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from domain.errors import ConfigurationError
from runtime.unit import GAVE_UP, Ending, Policy, State, Unit

_STEP_S = 0.05
_SHORT_S = 1.0


@dataclass(slots=True)
class Seat:
    """A unit with what the supervisor remembers of it."""

    unit: Unit
    state: State = State.WAITING
    since: float = 0.0
    falls: int = 0
    restarts: int = 0
    troubled_since: float | None = None
    """First of a row of crashes, None while it is well or only waits for others."""
    due: float = 0.0
    words: str = ""
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why a deployment ended; code 0 where it was asked to."""

    code: int = 0
    words: str = ""


class Supervisor:
    """Runs units; `step` looks at each of them once and never waits.

    Call it from one thread that lives as long as the units should. `on_change` is told
    after every change of a state.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        policy: Policy | None = None,
        *,
        on_change: Callable[["Supervisor"], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.0),
    ) -> None:
        self.policy = policy or Policy()
        self.seats = {unit.name: Seat(unit) for unit in units}
        self._on_change = on_change
        self._now = now
        self._jitter = jitter
        self._changed = True
        self._was_ready = False
        self._log = structlog.get_logger("up").bind(process="up")
        for unit in units:
            for name in (*unit.depends_on, *unit.after):
                if name not in self.seats:
                    raise ConfigurationError(f"{unit.name} depends on {name}, which is not there")

    def run(self, stop: threading.Event, *, until_ready: bool = False) -> Outcome | None:
        """Work until `stop` is set or there is no use in going on.

        With `until_ready` also until everything is ready: then None.
        """
        while not stop.is_set():
            outcome = self.step()
            if outcome is not None:
                return outcome
            if until_ready and self.is_ready():
                return None
            stop.wait(_STEP_S)
        return Outcome()

    def is_ready(self) -> bool:
        """Whether every unit is."""
        return all(seat.state is State.READY for seat in self.seats.values())

    def step(self) -> Outcome | None:
        """Look at every unit once; an outcome where the deployment has to end."""
        outcome: Outcome | None = None
        for seat in self.seats.values():
            outcome = outcome or self._look(seat)
        if self._changed:
            self._changed = False
            self._was_ready = self._was_ready or self.is_ready()
            self._on_change(self)
        return outcome

    def _look(self, seat: Seat) -> Outcome | None:
        now = self._now()
        if seat.state is State.WAITING or (seat.state is State.PAUSED and now >= seat.due):
            if seat.state is State.PAUSED or self._may_start(seat):
                self._start(seat, now)
            return None
        if seat.state not in {State.STARTING, State.READY}:
            return None
        ending = seat.unit.ended()
        if ending is None and seat.state is State.STARTING:
            if seat.unit.is_ready():
                self._got_ready(seat, now)
            elif now - seat.since > self.policy.ready_s:
                ending = Ending(GAVE_UP, f"not ready after {self.policy.ready_s:g} s")
        elif ending is None and seat.falls and now - seat.since > self.policy.stable_s:
            seat.falls, seat.troubled_since, seat.ending = 0, None, None
        return None if ending is None else self._fell(seat, ending, now)

    def _may_start(self, seat: Seat) -> bool:
        before = [self.seats[name] for name in seat.unit.after]
        return all(self.seats[name].state is State.READY for name in seat.unit.depends_on) and all(
            other.state is State.READY or other.falls for other in before
        )

    def _start(self, seat: Seat, now: float) -> None:
        seat.restarts += seat.state is State.PAUSED
        self._move(seat, State.STARTING, now)
        seat.unit.start()

    def _got_ready(self, seat: Seat, now: float) -> None:
        self._log.info("unit_ready", unit=seat.unit.name, after_s=round(now - seat.since, 2))
        seat.words = ""
        self._move(seat, State.READY, now)

    def _fell(self, seat: Seat, ending: Ending, now: float) -> Outcome | None:
        """Decide what follows from an end that nobody asked for."""
        seat.unit.kill()
        policy = self.policy
        repeated = seat.ending == ending
        seat.falls, seat.words, seat.ending = seat.falls + 1, ending.words, ending
        name = seat.unit.name
        hopeless = ending.final or ending.code in policy.hopeless
        if hopeless and (seat.unit.essential or not self._was_ready):
            self._move(seat, State.STOPPED, now)
            return Outcome(ending.code, f"{name} cannot run: {ending.words}")
        if ending.code in policy.waiting:
            seat.troubled_since = None
        elif seat.troubled_since is None:
            seat.troubled_since = now
        elif seat.unit.essential and now - seat.troubled_since > policy.give_up_s:
            self._move(seat, State.STOPPED, now)
            return Outcome(
                GAVE_UP,
                f"{name} kept ending for {policy.give_up_s:g} s, last {_how(ending)}: "
                f"{ending.words}",
            )
        pause_s = min(policy.first_pause_s * 2 ** min(seat.falls - 1, 30), policy.most_pause_s)
        seat.due = now + pause_s * self._jitter()
        self._say(seat, ending, repeated=repeated, pause_s=seat.due - now)
        self._move(seat, State.PAUSED, now)
        return None

    def _say(self, seat: Seat, ending: Ending, *, repeated: bool, pause_s: float) -> None:
        fields = {"unit": seat.unit.name, "ended": _how(ending), "words": ending.words,
                  "again_in_s": round(pause_s, 1)}  # fmt: skip
        if ending.code in self.policy.waiting:
            if not repeated:
                self._log.warning("unit_waits", **fields)
        elif seat.falls == self.policy.crash_loop:
            policy = self.policy
            after = f"gives up after {policy.give_up_s:g} s" if seat.unit.essential else "goes on"
            self._log.error("crash_loop", falls=seat.falls, deployment=after, **fields)
        else:
            self._log.warning("unit_ended", **fields)

    def _move(self, seat: Seat, state: State, now: float) -> None:
        seat.state, seat.since = state, now
        self._changed = True

    def drain(self, hurry: threading.Event | None = None) -> bool:
        """End every unit, the last one first; whether all of them did so politely.

        Setting `hurry` ends the politeness.
        """
        deadline = self._now() + self.policy.drain_s
        polite = True
        for seat in reversed(self.seats.values()):
            if seat.state in {State.STARTING, State.READY}:
                polite &= self._drain(seat, deadline, hurry)
            seat.unit.close()
            self._move(seat, State.STOPPED, self._now())
        self._on_change(self)
        return polite

    def _drain(self, seat: Seat, deadline: float, hurry: threading.Event | None) -> bool:
        began = self._now()
        self._move(seat, State.DRAINING, began)
        self._on_change(self)
        if hurry is None or not hurry.is_set():
            seat.unit.ask_to_end()
        until = max(deadline, began + _SHORT_S)
        while seat.unit.ended() is None:
            if self._now() > until or (hurry is not None and hurry.is_set()):
                self._log.warning("unit_killed", unit=seat.unit.name,
                                  after_s=round(self._now() - began, 1))  # fmt: skip
                return False
            time.sleep(_STEP_S)
        return True


def _how(ending: Ending) -> str:
    return f"by signal {-ending.code}" if ending.code < 0 else f"with {ending.code}"
