"""Putting texts on a bus and reading them back."""

from bus.base import START, Outgoing
from domain.vocabulary import Topic

ORDERS0 = (Topic.ORDERS, 0)
QUOTE = {"type": "quote", "symbol": "IBM", "bid": 1.0, "ts_event": "2026-11-20T14:30:00Z"}


def bodies(bus, place=ORDERS0, after=START, count=1000):
    reader = bus.reader()
    found = reader.read({place: after}, count, 0).get(place, [])
    reader.close()
    return [m.body for m in found]


def say(bus, *texts, place=ORDERS0):
    return bus.append([Outgoing(*place, text.encode()) for text in texts])
