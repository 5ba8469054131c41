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


def optional() -> set[str]:
    """The packages of the extras, but for those that only developers need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return {re.split("[<>=!~]", e)[0] for name in extras if name != "dev" for e in extras[name]}


def test_what_is_imported_is_what_is_declared() -> None:
    homes = packages_distributions()
    modules = set(imported()) - set(sys.stdlib_module_names) - {"steep"}
    # A package of an extra is imported under its own name, and need not be installed.
    used = {homes.get(module, [module])[0].lower().replace("_", "-") for module in modules}
    assert used - optional() == declared()


def test_every_dependency_is_explained() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    table, _, extras = page.partition("Extras:")
    rows = set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE))
    assert rows == declared()
    assert all(f"`{name}`" in extras for name in optional())
