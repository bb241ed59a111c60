"""Pulsar's errors in the words of the bus: what passes by itself, and what does not."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from domain.errors import BusDown, BusError

_PASSES = frozenset(
    {
        "Timeout", "ConnectError", "NotConnected", "AlreadyClosed", "Disconnected", "Retryable",
        "ServiceUnitNotReady", "LookupError", "TooManyLookupRequestException", "ProducerBusy",
        "ConsumerBusy", "BrokerPersistenceError", "BrokerMetadataError", "ReadError",
        "ProducerQueueIsFull", "MemoryBufferIsFull", "ProducerBlockedQuotaExceededError",
        "ProducerBlockedQuotaExceededException", "ConsumerNotInitialized", "Interrupted",
        "ProducerNotInitialized", "ChecksumError", "UnknownError",
    }
)  # fmt: skip
"""Names of exceptions and results after which the same call may succeed later."""
_WORDS = {
    "AuthenticationError": "it does not know our token; correct EXECMON_PULSAR_TOKEN",
    "AuthorizationError": "our token is not allowed to do this",
    "TopicNotFound": "it has no such topic; `execmon topics create` makes them",
    "MessageTooBig": "a message is larger than the broker takes",
    "ProducerBlockedQuotaExceededError": "its backlog quota is used up",
    "ProducerBlockedQuotaExceededException": "its backlog quota is used up",
}


def pulsar_module() -> Any:
    """Pulsar's client, imported when first needed. Raises BusError where it is missing."""
    try:
        return import_module("pulsar")
    except ImportError as error:
        raise BusError(
            f"a Pulsar bus needs the package pulsar-client, which cannot be imported: {error}"
        ) from error


def failure(name: str, shown: str, more: str = "") -> BusError:
    """BusDown or BusError for an exception's or a result's name."""
    words = _WORDS.get(name) or (f"{name}: {more}" if more and more != name else name)
    if name in _PASSES:
        return BusDown(f"the bus does not answer: {shown}: {words}")
    return BusError(f"the bus refused: {shown}: {words}")


def name_of(result: Any) -> str:
    """Name of a result such as `Result.Timeout`."""
    return str(getattr(result, "name", result))


@contextmanager
def in_words(shown: str) -> Generator[None]:
    """Turn the client's exceptions into BusDown or BusError."""
    try:
        yield
    except pulsar_module().PulsarException as error:
        raise failure(type(error).__name__, shown, str(error)) from error
