import doctest
import runpy
import sys
from types import ModuleType

import numpy as np
import pytest

from domain.errors import InputError
from domain.rows import ORDER_METRICS
from metrics import glossary
from metrics.glossary_columns import column_definitions

DEFINITIONS = [
    pytest.param(module, value, id=f"{module.__name__}.{name}")
    for module in glossary.chapters()
    for name, value in glossary.entries(module)
]


def test_the_glossary_is_current() -> None:
    assert glossary.main(["--check"]) == 0


@pytest.mark.parametrize(("module", "value"), DEFINITIONS)
def test_the_example_of_every_definition_is_true(module: ModuleType, value: object) -> None:
    names = {**vars(module), "np": np}
    example = doctest.DocTestParser().get_doctest(value.__doc__ or "", names, "example", None, 0)
    wrong: list[str] = []

    result = doctest.DocTestRunner(verbose=False).run(example, out=wrong.append)

    assert result.failed == 0, "".join(wrong)
    assert result.attempted or isinstance(value, type)


def test_every_column_of_an_order_has_its_definition() -> None:
    assert set(column_definitions()) == set(ORDER_METRICS)


def test_every_definition_that_a_column_names_is_on_the_page() -> None:
    headings = {
        line.split("`")[1].split("(")[0]
        for line in glossary.page().splitlines()
        if line.startswith("### ")
    }
    columns = set(column_definitions())

    for column, text in column_definitions().items():
        for name in text.split("`")[1::2]:
            assert name in headings | columns, (column, name)


def test_a_docstring_is_taken_apart() -> None:
    entry = glossary.parse(
        "f(x)",
        """Words.

        x²

        Unit: bps
            of nothing
        Edges: none

        >>> 1
        1
        """,
    )

    assert (entry.title, entry.formula, entry.example) == ("Words.", "x²", ">>> 1\n1")
    assert entry.keyed == {"Unit": "bps of nothing", "Edges": "none"}
    assert entry.render().splitlines()[0] == "### `f(x)`"


@pytest.mark.parametrize("words", [None, "Title.", "Title.\n\nx²", "Title.\n\nUnit: bps"])
def test_a_definition_without_title_formula_or_unit_is_refused(words: str | None) -> None:
    with pytest.raises(InputError, match=r"the docstring of f\(x\) needs a title, a formula"):
        glossary.parse("f(x)", words)


def test_a_page_that_is_not_current_is_said_and_written_anew(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(glossary, "PAGE", tmp_path / "docs" / "glossary.md")

    assert glossary.main(["--check"]) == 1
    assert "run python -m metrics.glossary" in capsys.readouterr().err
    assert glossary.main([]) == 0
    assert glossary.main(["--check"]) == 0
    glossary.PAGE.write_text("old", encoding="utf-8")
    assert glossary.main(["--check"]) == 1


@pytest.mark.filterwarnings("ignore:'metrics.glossary' found in sys.modules:RuntimeWarning")
def test_it_runs_as_a_module(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["glossary", "--check"])

    with pytest.raises(SystemExit) as ended:
        runpy.run_module("metrics.glossary", run_name="__main__")

    assert ended.value.code == 0
