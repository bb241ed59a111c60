"""How far the inputs of one symbol group have come."""

from collections.abc import Mapping, Sequence

from domain.batch import Input
from domain.instants import END_OF_TIME, NO_TIME
from domain.vocabulary import Topic
from operators.pieces import Stamped


class Progress:
    """Watermarks of a group's inputs, event time in ns: nothing before them comes any more."""

    def __init__(
        self,
        inputs: Sequence[Input],
        group: int,
        watermarks: Mapping[int, int] | None = None,
        ends: Mapping[int, int] | None = None,
    ) -> None:
        market = [i for i in inputs if i.topic is Topic.MARKET_DATA]
        self.market = [i.index for i in market if i.partition == group % len(market)]
        """The one market input of the group, where there is any."""
        self.orders = [i.index for i in inputs if i.topic in {Topic.ORDERS, Topic.ROUTES}]
        self.slow = [i.index for i in inputs if i.topic in {Topic.REFERENCE, Topic.CONTROL}]
        self._reference = [i.index for i in inputs if i.topic is Topic.REFERENCE]
        self.watermarks = dict(watermarks or {})
        self.ends = dict(ends or {})
        """Where the inputs that ended have ended."""

    def note(self, source: int, watermark: int, ended: bool) -> bool:
        """Take over what an input said last; whether that was news. It never falls back."""
        if ended:
            self.watermarks[source] = END_OF_TIME
            self.ends[source] = watermark
            return True
        before = self.watermarks.get(source)
        if before is not None and watermark <= before:
            return False
        self.watermarks[source] = watermark
        return True

    def of(self, source: int) -> int:
        """How far an input is, NO_TIME where it has said nothing."""
        return self.watermarks.get(source, NO_TIME)

    @property
    def has_reference(self) -> bool:
        """Whether every reference input has spoken: its stored records come first."""
        return all(i in self.watermarks for i in self._reference)

    @property
    def market_watermark(self) -> int:
        """How far the market is."""
        return self._least(self.market)

    @property
    def event_watermark(self) -> int:
        """How far market, orders and routes are."""
        return min(self.market_watermark, self._least(self.orders))

    def set_on(self, out: Stamped) -> None:
        """Write what a piece says of time."""
        out.event_watermark = self.event_watermark
        out.watermark = min(out.event_watermark, self._least(self.slow))
        out.end = self._end() if out.event_watermark == END_OF_TIME else END_OF_TIME

    def _least(self, inputs: list[int]) -> int:
        known = self.watermarks
        least = END_OF_TIME
        for i in inputs:
            least = min(least, known.get(i, NO_TIME))
        return least

    def _end(self) -> int:
        """The last event time once market, orders and routes have ended."""
        feeding = [*self.market, *self.orders]
        return max((self.ends.get(i, NO_TIME) for i in feeding), default=NO_TIME)
