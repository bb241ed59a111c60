"""The published definition of each metric, read from the docstrings without running the code.

Importing `metrics` starts a compiler; a process that only answers questions reads its source.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from metrics.glossary_columns import column_definitions

_KEYED = re.compile(r"(Unit|Sign|Edges|Source): ")
_MACHINERY = frozenset({"formula.py", "glossary.py", "glossary_columns.py"})
_NAME = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Definition:
    """One entry of the glossary."""

    name: str
    signature: str
    title: str
    formula: str
    keyed: dict[str, str] = field(default_factory=dict[str, str])
    """What stands under Unit, Sign, Edges and Source."""


@cache
def definitions() -> dict[str, Definition]:
    """Every entry of the glossary, by name."""
    found: dict[str, Definition] = {}
    for source in files("metrics").iterdir():
        if source.name.endswith(".py") and source.name not in _MACHINERY:
            tree = ast.parse(source.read_text(encoding="utf-8"))
            found |= {entry.name: entry for entry in _entries(tree)}
    return found


@cache
def definitions_of(metric: str) -> tuple[str, tuple[Definition, ...]]:
    """(how a metric of an order's record comes about, the definitions that this names)."""
    words = column_definitions().get(metric, "")
    known = definitions()
    return words, tuple(known[name] for name in _NAME.findall(words) if name in known)


def _entries(tree: ast.Module) -> Iterator[Definition]:
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        text = ast.get_docstring(node) or ""
        if "Unit: " not in text:
            continue
        arguments = [a.arg for a in node.args.args] if isinstance(node, ast.FunctionDef) else []
        yield _parsed(node.name, arguments, text)


def _parsed(name: str, arguments: list[str], text: str) -> Definition:
    words = text.partition(">>> ")[0]
    prose: list[str] = []
    keyed: dict[str, str] = {}
    for paragraph in (" ".join(p.split()) for p in words.strip().split("\n\n")):
        if _KEYED.match(paragraph):
            pieces = _KEYED.split(paragraph)[1:]
            keyed |= {k: v.strip() for k, v in zip(pieces[::2], pieces[1::2], strict=True)}
        else:
            prose.append(paragraph)
    signature = f"{name}({', '.join(arguments)})" if arguments else name
    return Definition(name, signature, prose[0], " ".join(prose[1:]), keyed)
