"""The properties of a message, under the names that CloudEvents has for them.

The body of a message is the event as specified; `ce_…` beside it say which event it is.
"""

from domain.published import EVENTS_VERSION

SOURCE = "execmon/monitor"


def schema_urn(name: str) -> str:
    """Name of the schema of what we publish, its version included."""
    return f"urn:execmon:schema:{name}:{EVENTS_VERSION}"


def cloud_event(
    type_: str,
    id_: str,
    *,
    schema: str,
    subject: str | None = None,
    time: str | None = None,
    key: str | None = None,
) -> dict[str, str]:
    """Properties of one message: `subject` is what it is about, `key` what chose its partition."""
    meta = {
        "ce_specversion": "1.0",
        "ce_id": id_,
        "ce_type": type_,
        "ce_source": SOURCE,
        "ce_dataschema": schema_urn(schema),
    }
    if subject is not None:
        meta["ce_subject"] = subject
    if time is not None:
        meta["ce_time"] = time
    if key is not None:
        meta["ce_partitionkey"] = key
    return meta
