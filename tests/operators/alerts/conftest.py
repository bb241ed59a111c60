"""Rows of a desk in memory judged by the rules' step, without an engine."""

from typing import Any

import pytest

from domain.rows import Rows
from operators.alerts.watch import WatchLogic, WatchSettings
from operators.orders.group import OrderSettings

TELLS = OrderSettings(progress_ns=20_000_000)


class Judge:
    """One rules' step that takes the rows of every group."""

    def __init__(self, **settings: Any) -> None:
        self.settings = WatchSettings(**settings)
        self.logic = WatchLogic(self.settings, None)
        self.watermark = 0

    def take(self, rows: list[Rows]) -> list[Any]:
        (parcel,), gone = self.logic.on_batch(rows)
        assert not gone
        self.watermark = parcel.watermark
        return parcel.crossings

    def restart(self) -> None:
        self.logic = WatchLogic(self.settings, self.logic.snapshot())


@pytest.fixture
def judged(run) -> Any:
    """The crossings of a whole tape."""

    def judge(tape: Any, controls: list[tuple[int, bytes]] = [], **settings: Any) -> list[Any]:  # noqa: B006
        told = [Rows(controls=controls)] if controls else []
        return Judge(**settings).take([*told, *run(tape, orders=TELLS)])

    return judge


@pytest.fixture
def judge_of() -> Any:
    return Judge


def said(crossings: list[Any], type_: str | None = None) -> list[Any]:
    """(scope, severity or how it ended) of each."""
    return [
        (c.scope, c.severity.name if c.severity else "ENDED" if c.ended else "CLEARED")
        for c in crossings
        if type_ is None or c.type == type_
    ]


@pytest.fixture(name="said")
def said_() -> Any:
    return said
