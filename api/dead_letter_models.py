"""Shapes of the answers on dead letters."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from api.history.models import Shape, Text
from api.history.queries import PagedQuestion
from bus.dead_letters import REPLAYABLE
from domain.reasons import DeadLetterReason

InputTopic = StrEnum("InputTopic", {topic.name: topic.value for topic in REPLAYABLE})
RefusalReason = StrEnum("RefusalReason", {reason.name: reason.name for reason in DeadLetterReason})


class DeadLetterRow(Shape):
    """A refused message: where it stands among the dead letters, where it came from, why."""

    partition: int
    position: Annotated[str, Field(examples=["1700000000000-0"])]
    refused_at: datetime
    topic: str
    origin_partition: int
    origin_position: str
    reason: str
    words: str
    ts: Annotated[datetime | None, Field(description="When the message itself was stored.")]
    size: Annotated[int, Field(description="Bytes of the message.")]


class DeadLetter(DeadLetterRow):
    """The same with the message as it came."""

    message: Annotated[Text, Field(description="As text, where it is UTF-8.")]
    message_base64: str


class Replayed(Shape):
    """Where the message now stands."""

    topic: str
    partition: int
    position: str
    replay_of: str


class DeadLettersQuestion(PagedQuestion):
    """Which dead letters."""

    topic: InputTopic | None = None  # pyright: ignore[reportInvalidTypeForm]
    reason: RefusalReason | None = None  # pyright: ignore[reportInvalidTypeForm]
