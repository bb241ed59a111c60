"""`execmon dead-letters`: what was refused, why, and putting it back."""

import base64
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import audit
from cli.output import number, print_json
from domain.errors import ConfigurationError, InputError
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic

if TYPE_CHECKING:
    from bus.base import Bus
    from bus.dead_letters import Letter

app = typer.Typer(
    help="Messages that could not be read: list them, look at one, put one back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_REPLAY = "execmon dead-letters replay"
_BusUrl = Annotated[
    str | None, typer.Option("--bus-url", help="Address of the bus; as configured if absent.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Place = Annotated[
    str, typer.Argument(metavar="PARTITION/POSITION", help="As `execmon dead-letters ls` has it.")
]


@app.command("ls")
def list_them(
    topic: Annotated[str | None, typer.Option(help="Only messages of this topic.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only refusals for this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most messages listed.")] = 50,
    bus_url: _BusUrl = None,
    as_json: _Json = False,
) -> None:
    """List refused messages, the newest first, with where they came from and why."""
    from bus.dead_letters import list_letters

    wanted, why = _topic(topic), _reason(reason)
    with _bus(bus_url) as bus:
        letters: list[Letter] = []
        after = None
        while len(letters) < limit:
            left = limit - len(letters)
            page = list_letters(bus, topic=wanted, reason=why, limit=left, after=after)
            letters += page.letters
            after = page.more
            if after is None:
                break
    if as_json:
        print_json({"dead_letters": [_record(letter) for letter in letters]})
    else:
        _print_table(letters)


@app.command()
def show(place: _Place, bus_url: _BusUrl = None, as_json: _Json = False) -> None:
    """Show one refused message, its bytes included. Ends with 3 where there is none."""
    with _bus(bus_url) as bus:
        letter = _found(bus, place)
    record = _record(letter)
    if as_json:
        print_json(record)
        return
    for name, value in record.items():
        if value is not None:
            typer.echo(f"{name:<17} {value}")


@app.command()
def replay(
    place: _Place,
    bus_url: _BusUrl = None,
    history_url: Annotated[
        str | None, typer.Option(help="History store with the audit; as configured if absent.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Put a message back into the partition it came from, to be read anew.

    It becomes a dead letter again unless what refused it has changed. Who did it is in the
    message and, where the history store can be reached, in the audit.
    """
    from bus.dead_letters import replay_letter
    from runtime.settings import load_settings

    settings = load_settings({"bus_url": bus_url, "history_url": history_url})
    with _bus(bus_url) as bus:
        letter = _found(bus, place)
        try:
            stored = replay_letter(bus, letter, by=audit.user())
        except InputError as error:
            audit.note(settings, _REPLAY, place, "refused", why=str(error))
            raise
    is_noted = audit.note(settings, _REPLAY, place, "done", stored=stored)
    found = {
        "topic": letter.topic,
        "partition": letter.origin_partition,
        "position": stored,
        "replay_of": place,
        "audited": is_noted,
    }
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{place} → {letter.topic} partition {letter.origin_partition}, {stored}")


@contextmanager
def _bus(url: str | None) -> Generator["Bus"]:
    from cli.servers import message_bus
    from runtime.settings import load_settings

    with message_bus(load_settings({"bus_url": url})) as bus:
        yield bus


def _found(bus: "Bus", place: str) -> "Letter":
    from bus.dead_letters import find_letter

    partition, _, position = place.partition("/")
    if not partition.isdecimal() or not position:
        raise ConfigurationError(
            f"expected PARTITION/POSITION such as 0/1700000000000-0, got {place!r}"
        )
    letter = find_letter(bus, int(partition), position)
    if letter is None:
        raise InputError(
            f"there is no dead letter {place} (any more); `execmon dead-letters ls` lists them"
        )
    return letter


def _topic(name: str | None) -> Topic | None:
    from bus.dead_letters import REPLAYABLE

    if name is None or name in REPLAYABLE:
        return None if name is None else Topic(name)
    raise ConfigurationError(f"--topic must be one of {', '.join(REPLAYABLE)}, was {name!r}")


def _reason(name: str | None) -> DeadLetterReason | None:
    if name is None:
        return None
    known = DeadLetterReason.__members__
    if name.upper() not in known:
        raise ConfigurationError(f"--reason must be one of {', '.join(known)}, was {name!r}")
    return known[name.upper()]


def _record(letter: "Letter") -> dict[str, Any]:
    record: dict[str, Any] = {
        "partition": letter.partition,
        "position": letter.position,
        "refused_at": letter.refused_at,
        "topic": letter.topic,
        "origin_partition": letter.origin_partition,
        "origin_position": letter.origin_position,
        "reason": letter.reason,
        "words": letter.words,
        "ts": letter.ts,
        "size": len(letter.message),
    }
    try:
        record["message"] = letter.message.decode()
    except UnicodeDecodeError:
        record["message_base64"] = base64.b64encode(letter.message).decode()
    return record


def _print_table(letters: "list[Letter]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("dead letter", "refused at", "topic", "reason", "bytes", "words"):
        table.add_column(name, justify="right" if name == "bytes" else "left")
    for letter in letters:
        table.add_row(
            f"{letter.partition}/{letter.position}", letter.refused_at, letter.topic,
            letter.reason, number(len(letter.message)), Text(letter.words),
        )  # fmt: skip
    Console().print(table)
