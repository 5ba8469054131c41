"""Is every package that Steep imports declared, is every declared one used, and is it explained?"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]


def imported() -> Iterator[str]:
    """The first part of every absolute import in the package."""
    for path in (ROOT / "steep").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split("[<>=!~]", entry)[0] for entry in project["dependencies"]}


def test_what_is_imported_is_what_is_declared() -> None:
    homes = packages_distributions()
    modules = set(imported()) - set(sys.stdlib_module_names) - {"steep"}
    used = {homes[module][0].lower().replace("_", "-") for module in modules}
    assert used == declared()


def test_every_dependency_is_explained() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    table = page.partition("Extras:")[0]
    rows = set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE))
    assert rows == declared()
