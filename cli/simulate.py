"""`execmon simulate`: the events of a simulated desk, as `execmon replay ndjson` takes them."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import print_json
from domain.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from sources.simulator.script import Simulation
    from sources.simulator.spec import FaultSpec, SimulationSpec

app = typer.Typer(rich_markup_mode=None)
SUFFIXES = (".ndjson", ".jsonl")
_EVERY = 20_000


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="File to write: .ndjson or .jsonl.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    minutes: Annotated[
        float | None, typer.Option(help="Simulated minutes; 10, or the whole session with --day.")
    ] = None,
    symbols: Annotated[
        str | None, typer.Option(metavar="A,B", help="Symbols to trade; all if absent.")
    ] = None,
    day: Annotated[
        bool, typer.Option("--day", help="A New York session instead of the demo's desk.")
    ] = False,
    open_orders: Annotated[
        int | None, typer.Option(min=1, help="Parent orders worked at once.")
    ] = None,
    events_per_s: Annotated[
        float | None, typer.Option(min=1.0, help="Market events a second in all.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:NAME=VALUE,…]",
            help="Something that goes wrong, as dead_venue:venue=XNAS,start_s=60,end_s=120.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write the events of a simulated trading desk and its market."""
    from sources.simulator.script import Simulation

    if out.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(f"{out} must end in {' or '.join(SUFFIXES)}: events are NDJSON")
    if not out.absolute().parent.is_dir():
        raise ConfigurationError(f"the folder of {out} does not exist; make it first")
    spec = build_spec(
        minutes=minutes, symbols=_listed(symbols), day=day, open_orders=open_orders,
        events_per_s=events_per_s, faults=fault or (),
    )  # fmt: skip
    started = time.perf_counter()
    counts, size = write(Simulation(spec, seed), out, spec.duration_s)
    summary: dict[str, Any] = {
        "out": str(out),
        "seed": seed,
        "messages": sum(counts.values()),
        "topics": dict(counts),
        "bytes": size,
        "wall_s": time.perf_counter() - started,
    }
    if as_json:
        print_json(summary)
        return
    topics = ", ".join(f"{count:,} {topic}" for topic, count in counts.items())
    typer.echo(f"{summary['messages']:,} messages → {out} ({topics}; {size / 1e6:,.1f} MB)")


def build_spec(
    *,
    minutes: float | None,
    symbols: "tuple[str, ...]",
    day: bool,
    open_orders: int | None,
    events_per_s: float | None,
    faults: "list[str] | tuple[str, ...]",
) -> "SimulationSpec":
    """A specification from a preset and what was changed of it. Raises ConfigurationError."""
    import msgspec

    from sources.simulator.presets import day_spec, demo_spec

    given: dict[str, Any] = {"open_parents": open_orders, "events_per_s": events_per_s}
    given = {name: value for name, value in given.items() if value is not None}
    spec = day_spec(**given) if day else demo_spec(**given)
    if minutes is None and not day:
        minutes = 10.0
    if minutes is not None and not 0 < minutes <= 100_000:
        raise ConfigurationError(f"--minutes must be above 0 and at most 100000, was {minutes:g}")
    changes: dict[str, Any] = {"faults": tuple(parse_fault(text) for text in faults)}
    if minutes is not None:
        changes["duration_s"] = minutes * 60.0
    if symbols:
        known = {s.symbol for s in spec.symbols}
        unknown = [s for s in symbols if s not in known]
        if unknown:
            raise ConfigurationError(
                f"no symbol called {', '.join(unknown)}; there are {', '.join(sorted(known))}"
            )
        wanted = {*symbols, spec.index_symbol}
        changes["symbols"] = tuple(s for s in spec.symbols if s.symbol in wanted)
    return msgspec.structs.replace(spec, **changes)


def parse_fault(text: str) -> "FaultSpec":
    """`KIND` or `KIND:NAME=VALUE,…` as a fault. Raises ConfigurationError."""
    import msgspec

    from sources.simulator.spec import FaultSpec

    kind, _, rest = text.partition(":")
    members: dict[str, Any] = {"kind": kind}
    for part in filter(None, rest.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigurationError(f"--fault takes KIND:NAME=VALUE,…, was {text!r}")
        members[name.strip()] = value.strip()
    try:
        return msgspec.convert(members, FaultSpec, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"--fault {text}: {error}") from error


def write(
    simulation: "Simulation", out: Path, duration_s: float | None
) -> tuple[Counter[str], int]:
    """Write every message, with progress; gives messages by topic and bytes written.

    The file appears when it is complete. Raises InputError.
    """
    from cli.progress import progress
    from sources.simulator.script import encode_line

    counts: Counter[str] = Counter()
    fresh = out.with_name(f".{out.name}.part")
    size = 0
    try:
        with fresh.open("wb") as file, progress("Simulating") as tell:
            share = _Share(duration_s)
            for topic, message in simulation.messages():
                size += file.write(encode_line(topic, message))
                counts[str(topic)] += 1
                done = counts.total()
                if done % _EVERY == 0:
                    tell(done, share.of(message))
        fresh.replace(out)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)
    return counts, size


class _Share:
    """How much of the simulated time has passed, by the event times seen."""

    def __init__(self, duration_s: float | None) -> None:
        self._duration_s = duration_s
        self._first: int | None = None

    def of(self, message: Any) -> float | None:
        from domain.instants import parse_rfc3339

        text = getattr(message, "ts_event", None)
        if self._duration_s is None or text is None:
            return None
        now = parse_rfc3339(text)
        self._first = now if self._first is None else self._first
        return min(1.0, (now - self._first) * 1e-9 / self._duration_s)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(_parts(text or ""))


def _parts(text: str) -> Iterator[str]:
    return (part.strip() for part in text.split(",") if part.strip())
