"""`execmon topics`: the topics of a Pulsar, made and looked at by those who run it."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import print_json

if TYPE_CHECKING:
    from bus.pulsar.bus import PulsarBus
    from runtime.settings import Settings

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
Url = Annotated[str | None, typer.Option("--bus-url", help="Bus; as configured if absent.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def topics() -> None:
    """Topics of a Pulsar bus: make them, list them, check them."""


@app.command()
def create(
    url: Url = None,
    keep_days: Annotated[
        float, typer.Option(min=0.0, help="Days that messages stay after everybody read them.")
    ] = 7.0,
) -> None:
    """Make the namespace and the topics that are missing, and set their policies.

    Partitions are those of the settings; a topic that has another number is refused.
    Messages are kept for a time, and a message that a writer sends again is dropped.
    """
    from bus.pulsar import layout

    with _pulsar(url) as (bus, settings):
        keep_s = keep_days * 86_400
        layout.create(
            bus.admin, bus.access.shown, _partitions(settings), settings.groups, keep_s=keep_s
        )
        layout.set_policies(bus.admin, keep_s=keep_s)
        typer.echo(
            f"{bus.access.shown}: {len(settings.partitions)} topics, kept {keep_days:g} days"
        )


@app.command()
def ls(url: Url = None, as_json: AsJson = False) -> None:
    """List partitions: entries stored, and what each durable reader has not acknowledged."""
    from rich.console import Console
    from rich.table import Table

    with _pulsar(url) as (bus, _):
        rows = list(_rows(bus))
    if as_json:
        print_json({"partitions": rows})
        return
    table = Table(box=None)
    for column in ("topic", "partition", "entries", "bytes", "backlog"):
        table.add_column(column)
    for row in rows:
        backlog = ", ".join(f"{name} {count:,}" for name, count in row["backlog"].items())
        table.add_row(
            row["topic"], str(row["partition"]), f"{row['entries']:,}", f"{row['bytes']:,}",
            backlog or "–",
        )  # fmt: skip
    Console().print(table)


@app.command()
def check(url: Url = None, as_json: AsJson = False) -> None:
    """Say what is wrong with the topics or slows them down; exit code 1 where anything is."""
    from bus.pulsar import layout

    with _pulsar(url) as (bus, settings):
        found = layout.faults(bus.admin, _partitions(settings), settings.groups)
    if as_json:
        print_json({"faults": found})
    else:
        for words in found or ["nothing is wrong"]:
            typer.echo(words)
    if found:
        raise typer.Exit(1)


@contextmanager
def _pulsar(url: str | None) -> Generator[tuple["PulsarBus", "Settings"]]:
    from bus.pulsar.bus import PulsarBus
    from cli.servers import message_bus
    from domain.errors import ConfigurationError
    from runtime.settings import load_settings

    settings = load_settings({"bus_url": url})
    with message_bus(settings) as bus:
        if not isinstance(bus, PulsarBus):
            raise ConfigurationError(
                "topics are made by hand on a Pulsar only; this bus makes them when it is used"
            )
        yield bus, settings


def _partitions(settings: "Settings") -> Any:
    from domain.vocabulary import Topic

    return {Topic(name): count for name, count in settings.partitions.items()}


def _rows(bus: "PulsarBus") -> Generator[dict[str, Any]]:
    from domain.vocabulary import Topic

    for topic in Topic:
        for partition in range(bus.admin.partitions(topic)):
            path = bus.admin.topic_path(topic, partition)
            stats = bus.admin.get(f"{path}/stats") or {}
            ledgers = bus.admin.ledgers((topic, partition))
            readers: Any = stats.get("subscriptions") or {}
            yield {
                "topic": str(topic),
                "partition": partition,
                "entries": sum(entries for _, entries in ledgers.entries),
                "bytes": stats.get("storageSize", 0),
                "backlog": {
                    name: found["msgBacklog"]
                    for name, found in readers.items()
                    if found.get("durable", True)
                },
            }
