"""What docs/ says must be true: tests that it names exist, every promise names one, and so do keys, fields and metrics."""

import ast
import re
from pathlib import Path

import pytest

from voicetrio.core.messages import Configure
from voicetrio.metrics.prometheus import PrometheusTelemetry
from voicetrio.settings import SessionSettings

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("**/*.md"))
REFERENCE = re.compile(r"\b(tests/[\w/]+\.py)::(\w+)")
HELD_BY = "held by"
"""Title of a table's last column: each row of such a table is a promise, and names the tests that hold it."""


def names_of(file: Path) -> set[str]:
    """All tests of a file; a parametrised one has one name."""
    tree = ast.parse(file.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds) and node.name.startswith("test_")}


def tables(text: str) -> list[list[list[str]]]:
    """Each table as its rows, the first of which is its header; without the line below that."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [[table[0], *table[2:]] for table in found if table]


def promises(path: Path) -> list[list[str]]:
    return [row for header, *rows in tables(path.read_text()) if header[-1] == HELD_BY for row in rows]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_test_that_is_named_exists(path):
    known: dict[str, set[str]] = {}
    missing = []
    for file, name in sorted(set(REFERENCE.findall(path.read_text()))):
        if file not in known:
            known[file] = names_of(ROOT / file) if (ROOT / file).exists() else set()
        if name not in known[file]:
            missing.append(f"{file}::{name}")
    assert missing == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_promise_names_a_test(path):
    assert [row[:-1] for row in promises(path) if not REFERENCE.search(row[-1])] == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_row_has_as_many_cells_as_its_header(path):
    for header, *rows in tables(path.read_text()):
        assert [row for row in rows if len(row) != len(header)] == []


def test_the_session_managers_page_has_its_lines_and_its_traps():
    path = ROOT / "docs" / "session-manager.md"
    rows = promises(path)
    assert len(rows) >= 70
    assert [row[0] for row in rows if len(row) == 4] == [str(number) for number in range(1, 13)]
    told = path.read_text()
    metrics = PrometheusTelemetry().render().decode()
    ours = {name for name in re.findall(r"# TYPE (stt_\w+) ", metrics) if not name.endswith("_created")}
    assert {name for name in ours if f"`{name}`" not in told} == set()
    assert set(re.findall(r"`(stt_\w+)`", told)) == ours


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_keys_and_fields_that_are_named_exist(path):
    text = path.read_text()
    source = "".join(file.read_text() for file in (ROOT / "voicetrio").glob("**/*.py"))
    for name in set(re.findall(r"`session\.(\w+)`", text)):
        assert name in SessionSettings.model_fields or f'"session.{name}"' in source, f"session.{name}"
    for name in set(re.findall(r"`(\w+_timeout_ms|max_segment_duration_ms)`", text)):
        assert name in Configure.model_fields, name
