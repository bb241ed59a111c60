"""Shapes of what is asked and answered about thresholds that nobody has saved yet."""

from datetime import date, datetime, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from analytics.alert_preview import MOST_DAYS, Proposal
from api.history.models import Instant, Shape, Text
from api.history.queries import Name
from api.models import Thresholds
from domain.alerts import ORDER_ALERTS, CloseReason
from domain.published import Severity
from domain.thresholds import AlertType, Configured
from domain.vocabulary import AssetClass

_ASSET_CLASSES = tuple(name for name in AssetClass.__members__ if name != "UNKNOWN")


class ConfiguredThresholds(BaseModel):
    """Thresholds for the orders that have every word given here."""

    model_config = ConfigDict(extra="forbid")

    desk: Name | None = None
    asset_class: Annotated[str | None, Field(examples=[*_ASSET_CLASSES])] = None
    symbol: Name | None = None
    alert_thresholds: Thresholds = Field(min_length=1, max_length=20)

    @field_validator("asset_class")
    @classmethod
    def _is_one(cls, given: str | None) -> str | None:
        if given is not None and given not in AssetClass.__members__:
            raise ValueError(f"asset_class must be one of {', '.join(_ASSET_CLASSES)}")
        return given


class PreviewRequest(BaseModel):
    """Which thresholds, over which days."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: Annotated[date, Field(alias="from", description="A day, UTC.")]
    until: Annotated[
        date | None,
        Field(alias="to", description="Not included; the day after `from` if absent."),
    ] = None
    alert_thresholds: Thresholds = Field(
        default={},
        max_length=20,
        description="As if the session of every order looked at had set them.",
    )
    configured: list[ConfiguredThresholds] = Field(
        default=[],
        max_length=100,
        description="As if they stood behind the configured ones; an order's own go before.",
    )
    desk: Annotated[Name | None, Field(description="Only this desk's orders.")] = None
    alert_type: Annotated[
        AlertType | None, Field(description="Only alerts of this type.", examples=["HIGH_COST"])
    ] = None

    @field_validator("alert_type")
    @classmethod
    def _is_an_orders(cls, given: AlertType | None) -> AlertType | None:
        if given is not None and given not in ORDER_ALERTS:
            raise ValueError(
                f"{given} is not about one order, so no threshold of an order decides about it: "
                f"one of {', '.join(sorted(ORDER_ALERTS))}"
            )
        return given

    @model_validator(mode="after")
    def _is_some_days(self) -> Self:
        days = (self.end - self.since).days
        if not 1 <= days <= MOST_DAYS:
            raise ValueError(f"from and to must be 1 to {MOST_DAYS} days apart, were {days}")
        return self

    @property
    def end(self) -> date:
        """The day behind the last one."""
        return self.until or self.since + timedelta(days=1)

    def proposal(self) -> Proposal:
        """The same, as the analytics take it."""
        return Proposal(
            since=self.since,
            until=self.end,
            asked=self.alert_thresholds,
            configured=[
                Configured(one.alert_thresholds, one.desk, one.asset_class, one.symbol)
                for one in self.configured
            ],
            desk=self.desk,
            alert_type=self.alert_type,
        )


class PreviewCount(Shape):
    """How many alerts of one day, desk, type and severity there were and would have been."""

    day: date
    desk: Annotated[str, Field(description="`-` for orders without one.")]
    type: AlertType
    severity: Annotated[Severity, Field(description="With which people were first told of it.")]
    before: int
    proposed: int


class PreviewAlert(Shape):
    """An alert that was raised, or would have been."""

    alert_id: Annotated[str, Field(description="The same for the same alert, whoever raises it.")]
    desk: str
    scope: Annotated[str, Field(description="The order.")]
    type: AlertType
    severity: Severity
    symbol: Text
    started_at: datetime
    ended_at: Instant
    close_reason: CloseReason | None
    closed_by: Text


class Preview(Shape):
    """What the thresholds would have raised, beside what was raised."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: Annotated[date, Field(alias="from")]
    until: Annotated[date, Field(alias="to", description="Not included.")]
    is_exact: Annotated[
        bool, Field(description="False: the proposed counts are a lower bound; `notes` say why.")
    ]
    notes: list[str]
    stored_since: Annotated[
        Instant, Field(description="Since when evaluations are stored; null where none is.")
    ]
    orders: Annotated[int, Field(description="That came near a level in these days.")]
    evaluations: Annotated[int, Field(description="Stored ones that were judged again.")]
    counts: list[PreviewCount]
    only_proposed: list[PreviewAlert]
    only_before: list[PreviewAlert]
    missed_true: Annotated[
        list[PreviewAlert],
        Field(
            description="Closed as true, and nothing of the same order and type would have "
            "been open meanwhile."
        ),
    ]
    left_out: Annotated[int, Field(description="Alerts that no longer fitted the three lists.")]
