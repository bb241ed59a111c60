"""Parameters of the questions on history: strict, unknown ones are refused."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from analytics.history.orders import OrderFilter, OrderSort
from analytics.history.rollups import Dimension
from api.paging import MOST_ROWS
from domain.errors import Refused
from domain.instants import parse_rfc3339
from domain.rows import ORDER_METRICS
from domain.validate import MAX_ID, check_id
from domain.vocabulary import OrderState, Side

StateName = StrEnum("StateName", {state.name: state.name for state in OrderState})
MetricName = StrEnum("MetricName", {name: name for name in ORDER_METRICS})
OrderSorting = StrEnum(
    "OrderSorting", {"ATTENTION": "attention", **{s.name: s.value for s in OrderSort}}
)


def _checked(text: str) -> str:
    parse_rfc3339(text)
    return text


Instant = Annotated[
    str,
    Field(max_length=40, json_schema_extra={"format": "date-time"}),
    AfterValidator(_checked),
]


def _usable(text: str) -> str:
    try:
        check_id("the name", text, needed=True)
    except Refused as refused:
        raise ValueError(refused.words) from None
    return text


Name = Annotated[str, Field(min_length=1, max_length=MAX_ID), AfterValidator(_usable)]
PageLimit = Annotated[int, Field(ge=1, le=MOST_ROWS, description="Most rows of a page.")]


def ns_of(instant: str | None) -> int | None:
    """UNIX ns of a parameter that was checked."""
    return None if instant is None else parse_rfc3339(instant)


class Question(BaseModel):
    """Parameters of any question."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class PagedQuestion(Question):
    """Parameters of any list."""

    limit: PageLimit = 100
    cursor: Annotated[
        str | None, Field(max_length=1_000, description="`next` of the page before.")
    ] = None


class Direction(StrEnum):
    """Which way a list runs."""

    DESC = "desc"
    ASC = "asc"


class OrdersQuestion(PagedQuestion):
    """Which orders, and in which order."""

    state: list[StateName] = Field(default=[], max_length=20)  # pyright: ignore
    open: Annotated[bool | None, Field(description="Only open ones, or only closed ones.")] = None
    symbol: Name | None = None
    side: Side | None = None
    desk: Name | None = None
    trader: Name | None = None
    client: Name | None = None
    broker: Name | None = None
    algo: Name | None = None
    strategy: Name | None = None
    currency: Name | None = None
    parent: Annotated[Name | None, Field(description="Children of this order.")] = None
    root: Annotated[Name | None, Field(description="This order and all below it.")] = None
    roots_only: Annotated[bool, Field(description="Leave out the children of others.")] = False
    arrived_from: Instant | None = None
    arrived_to: Annotated[Instant | None, Field(description="Not included.")] = None
    sort: Annotated[
        OrderSorting,  # pyright: ignore[reportInvalidTypeForm]
        Field(description="`attention`: open orders, live; else from history."),
    ] = OrderSorting.ARRIVAL  # pyright: ignore
    direction: Direction = Direction.DESC

    def filter(self) -> OrderFilter:
        """The same, for the history store."""
        return OrderFilter(
            states=tuple(str(state) for state in self.state),
            is_open=self.open,
            symbol=self.symbol,
            side=self.side,
            desk=self.desk,
            trader=self.trader,
            client=self.client,
            broker=self.broker,
            algo=self.algo,
            strategy=self.strategy,
            currency=self.currency,
            parent_order_id=self.parent,
            root_order_id=self.root,
            roots_only=self.roots_only,
            arrived_from_ns=ns_of(self.arrived_from),
            arrived_to_ns=ns_of(self.arrived_to),
        )


class HistoryQuestion(PagedQuestion):
    """Which rows of an order."""

    from_ts: Annotated[Instant | None, Field(alias="from")] = None
    to_ts: Annotated[Instant | None, Field(alias="to", description="Not included.")] = None
    direction: Direction = Direction.DESC
    full: Annotated[bool, Field(description="With the whole status of each row.")] = False


class FamilyQuestion(PagedQuestion):
    """Rows of an order, and of the orders below it."""

    children: Annotated[bool, Field(description="With the orders below it.")] = True


class MetricsQuestion(Question):
    """Which metrics, and how much of each."""

    name: list[MetricName] = Field(  # pyright: ignore[reportInvalidTypeForm]
        default=[], max_length=200, description="Only these metrics."
    )
    explain: Annotated[bool, Field(description="With formula, inputs and sources.")] = False


class RollupQuestion(Question):
    """What is rolled up. Orders count by their arrival, executions by their time."""

    by: Dimension
    from_ts: Annotated[
        Instant | None, Field(alias="from", description="A day before `to` if absent.")
    ] = None
    to_ts: Annotated[
        Instant | None, Field(alias="to", description="Not included; now if absent.")
    ] = None
    min_n: Annotated[
        int, Field(ge=1, le=1_000_000, description="Fewer make no figure: null, TOO_FEW.")
    ] = 1
    limit: PageLimit = MOST_ROWS
