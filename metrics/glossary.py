"""The glossary page, made from the docstrings: `python -m metrics.glossary [--check]`."""

import argparse
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import metrics
from domain.errors import InputError
from metrics.formula import Formula, TapeFormula
from metrics.glossary_columns import column_definitions

PAGE = Path(__file__).parents[1] / "docs" / "glossary.md"

_CHAPTERS = (
    "slippage",
    "benchmarks",
    "tape",
    "spreads",
    "markout",
    "shortfall_parts",
    "shortfall",
    "tranches",
    "schedules",
    "progress",
    "efficiency",
    "curves",
    "impact",
    "impact_fit",
    "venues",
    "statistics",
    "inference",
    "control_charts",
)
_MACHINERY = {"formula", "glossary", "glossary_columns", "kernel"}
_KEYS = ("Unit", "Sign", "Edges", "Source")
_KEYED = re.compile(rf"({'|'.join(_KEYS)}): ")

_HEAD = """# Glossary

Every number the product shows, defined once. The same code runs on the live stream and on whole
columns. This page is made from the code by `python -m metrics.glossary`: change the docstring,
not the page.

- **A positive cost is money lost**, for purchases and sales alike. The side `s` is +1 for a
  purchase and −1 for any sale.
- What is not known is missing and never zero: NaN in the code, null with a reason in events
  and columns.
- `Q` is the ordered and `q` the filled quantity, `p_j` and `q_j` a fill's price and quantity,
  `P̄` the average price, `m(t)` the mid in force just before `t`, `P_d` the decision, `P_0`
  the arrival and `P_n` the final price.
- A group's figure is the ratio of two sums, never the mean of its members' figures.
"""


@dataclass(slots=True)
class Entry:
    """One definition, its docstring taken apart."""

    signature: str
    title: str
    formula: str
    example: str
    keyed: dict[str, str] = field(default_factory=dict)

    def render(self) -> str:
        """The entry in Markdown."""
        lines = [f"### `{self.signature}`", "", self.title, "", f"> {self.formula}", ""]
        lines += [f"- **{key}:** {text}" for key, text in self.keyed.items()]
        if self.example:
            lines += ["", "```pycon", self.example, "```"]
        return "\n".join(lines)


def parse(signature: str, docstring: str | None) -> Entry:
    """Take a docstring apart; InputError where its title, formula or unit is missing."""
    words, mark, example = inspect.cleandoc(docstring or "").partition(">>> ")
    paragraphs = [" ".join(p.split()) for p in words.strip().split("\n\n")]
    keyed: dict[str, str] = {}
    prose: list[str] = []
    for paragraph in paragraphs:
        if _KEYED.match(paragraph):
            pieces = _KEYED.split(paragraph)[1:]
            keyed |= {k: text.strip() for k, text in zip(pieces[::2], pieces[1::2], strict=True)}
        else:
            prose.append(paragraph)
    if len(prose) < 2 or "Unit" not in keyed:
        raise InputError(
            f"the docstring of {signature} needs a title, a formula and a line 'Unit: …'"
        )
    title, *formula = prose
    return Entry(signature, title, " ".join(formula), (mark + example).strip(), keyed)


def entries(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Public definitions that a module makes itself, in the order of its source."""
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        defines = isinstance(value, Formula | TapeFormula) or inspect.isroutine(value)
        if own and not name.startswith("_") and (defines or inspect.isclass(value)):
            yield name, value


def chapters() -> list[ModuleType]:
    """The modules with definitions: those with a place of their own first, then the rest."""
    found = {m.name for m in pkgutil.iter_modules(metrics.__path__)} - _MACHINERY
    known = [name for name in _CHAPTERS if name in found]
    return [
        importlib.import_module(f"metrics.{name}")
        for name in (*known, *sorted(found.difference(known)))
    ]


def page() -> str:
    """The whole page in Markdown."""
    parts = [_HEAD]
    for module in chapters():
        definitions = [parse(_signature(n, v), v.__doc__) for n, v in entries(module)]
        parts.append(_heading(module))
        parts += [entry.render() + "\n" for entry in definitions]
    parts.append("## Columns of an order's record\n\n| column | definition |\n|---|---|")
    rows = [f"| `{name}` | {text} |" for name, text in column_definitions().items()]
    return "\n".join([*parts, *rows]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with --check say whether it is current (exit code 1 if not)."""
    parser = argparse.ArgumentParser(prog="python -m metrics.glossary", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare, write nothing")
    if not parser.parse_args(arguments).check:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    sys.stderr.write(f"{PAGE.name} is not current: run python -m metrics.glossary\n")
    return 1


def _heading(module: ModuleType) -> str:
    title, *prose = inspect.cleandoc(module.__doc__ or "").split("\n\n")
    return "\n\n".join([f"## {title.removesuffix('.')}", *prose]) + "\n"


def _signature(name: str, value: Any) -> str:
    if inspect.isclass(value):
        return name
    function = value.__wrapped__ if isinstance(value, Formula | TapeFormula) else value
    return f"{name}({', '.join(inspect.signature(function).parameters)})"


if __name__ == "__main__":
    sys.exit(main())
