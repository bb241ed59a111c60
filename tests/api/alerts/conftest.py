"""The API with a small stand-in for the desk step behind it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from domain.alerts import AlertChange
from sinks.alerts import AlertPartition, AlertSettings
from tests.alert_data import Desk, store_alerts

ALERTS = "/api/v1/alerts"


@pytest.fixture
def desk(bus: Any, store: Any, status_server: Any) -> Iterator[Desk]:
    """Does what topic `control` says, to the alerts that it is given."""
    part = AlertPartition(bus, status_server.url, AlertSettings())
    with Desk(bus, part, []) as found:
        yield found
    part.close()


@pytest.fixture
def stored(history: Any, history_server: Any) -> Callable[..., None]:
    """Writes changes into the history store."""

    def write(*changes: AlertChange) -> None:
        store_alerts(history_server.url, changes)

    return write
