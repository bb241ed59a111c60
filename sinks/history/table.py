"""A table of the history store: columns, natural key, and which of two rows stays.

Each row goes by COPY into a temporary table of the same columns and from there into the
table, where a row of the same key is replaced only by a newer or another one: writing what is
already there changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sinks.history.columns import Kind, row_encoder

Values = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: what goes into it and what happens to a row of a known key."""

    name: str
    columns: Sequence[tuple[str, Kind]]
    key: Sequence[str]
    keep: str
    """SQL that says when the new row `n` replaces the old row `o`."""
    merge: dict[str, str] = field(default_factory=dict[str, str])
    """SQL of columns that do not simply take the new value."""
    pick: Callable[[Values, Values], Values] | None = None
    """Of two rows of a batch with one key, the older first; None: the later stays."""
    finish: Callable[[Values], Values] | None = None
    """Makes a row's values out of what it was kept as until it was chosen."""

    @cached_property
    def encode(self) -> Callable[[Values], bytes]:
        """A row in binary COPY format."""
        encode, finish = row_encoder([kind for _, kind in self.columns]), self.finish
        return encode if finish is None else lambda values: encode(finish(values))

    @cached_property
    def key_of(self) -> Callable[[Values], Values]:
        """The natural key of a row's values."""
        at = [self._place(name) for name in self.key]
        return lambda values: tuple([values[i] for i in at])

    def _place(self, name: str) -> int:
        return [column for column, _ in self.columns].index(name)

    @cached_property
    def temporary(self) -> str:
        """Makes the temporary table, whose rows end with the transaction."""
        wide = (
            f"ALTER TABLE new_{self.name} ALTER body SET STORAGE EXTERNAL;"
            f"ALTER TABLE new_{self.name} SET (toast_tuple_target = 8160);"
            if any(name == "body" for name, _ in self.columns)
            else ""
        )
        return (
            f"CREATE TEMPORARY TABLE IF NOT EXISTS new_{self.name} "
            f"(LIKE {self.name}) ON COMMIT DELETE ROWS;{wide}"
        )

    @cached_property
    def copy(self) -> str:
        """Takes rows in."""
        names = ", ".join(f'"{name}"' for name, _ in self.columns)
        return f"COPY new_{self.name} ({names}) FROM STDIN (FORMAT BINARY)"

    @cached_property
    def upsert(self) -> str:
        """Moves the rows to the table."""
        names = [name for name, _ in self.columns]
        quoted = ", ".join(f'"{name}"' for name in names)
        keys = ", ".join(f'"{name}"' for name in self.key)
        changes = ", ".join(
            f'"{name}" = ' + self.merge.get(name, f'excluded."{name}"')
            for name in names
            if name not in self.key
        )
        return (
            f"INSERT INTO {self.name} AS o ({quoted}) SELECT {quoted} FROM new_{self.name} "
            f"ON CONFLICT ({keys}) DO UPDATE SET {changes} WHERE {self.keep}"
        )


def words(text: str) -> list[str]:
    """Names in one line of text."""
    return text.split()


def columns(kind: Kind, names: str) -> list[tuple[str, Kind]]:
    """Columns of one kind."""
    return [(name, kind) for name in words(names)]


def differs(columns: Sequence[tuple[str, Kind]], key: Sequence[str]) -> str:
    """SQL that says whether the new row differs from the old one."""
    names = [name for name, _ in columns if name not in key]
    old = ", ".join(f'o."{name}"' for name in names)
    new = ", ".join(f'excluded."{name}"' for name in names)
    return f"({old}) IS DISTINCT FROM ({new})"


OTHER_BODY = "o.body::text IS DISTINCT FROM excluded.body::text"
