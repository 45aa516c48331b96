"""Packages with engines, installed for a test without pip: a folder with a module and what pip would leave beside it.

The page docs/engines.md adds an engine; its code is taken from there, so that what readers copy is what is tested.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"


def page_block(first_line: str, language: str = "python") -> str:
    """The block of code on the page that begins with this line.

    Raises:
        LookupError: there is none, or more than one.
    """
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    found = [block for block in blocks if block.startswith(first_line)]
    if len(found) != 1:
        raise LookupError(f"{PAGE.name} has {len(found)} blocks of {language} that begin with {first_line!r}")
    return found[0]


def touch_tones() -> str:
    """The module that the page adds."""
    return page_block('"""Hears the keys of a telephone')


def write_package(
    folder: Path, name: str, modules: Mapping[str, str], entry_points: Mapping[str, Mapping[str, str]]
) -> None:
    """`modules`: source by module name. `entry_points`: by group, name to "module:object"."""
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        line
        for group, points in entry_points.items()
        for line in (f"[{group}]", *(f"{point} = {value}" for point, value in points.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")


def put_on_path(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """As if its packages were installed, here and in the processes that we start."""
    patch.syspath_prepend(folder)
    inherited = os.environ.get("PYTHONPATH")
    patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *([inherited] if inherited else [])]))
