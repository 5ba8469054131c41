"""Does docs/engine.md list every internal name of other libraries that Steep uses?"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PUBLIC = {"torch", "torch.nn", "torch.nn.functional", "torch.autograd.function"}
PUBLIC |= {"transformers", "transformers.utils", "transformers.modeling_outputs"}


def internals(path: Path) -> Iterator[str]:
    """Private attributes of other objects; imports from inner modules of torch, transformers."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
            if ast.unparse(node.value) not in ("self", "cls", "os"):  # os._exit is documented
                yield node.attr
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module not in PUBLIC and module.partition(".")[0] in ("torch", "transformers"):
                yield from (alias.name for alias in node.names)


def test_internals_of_other_libraries_are_listed() -> None:
    listed = set(re.findall(r"\w+", (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")))
    used = {name: path for path in (ROOT / "steep").rglob("*.py") for name in internals(path)}
    assert {"_softmax_backward_data", "adamw"} <= used.keys(), "the search itself is broken"
    missing = {name: str(path) for name, path in used.items() if name not in listed}
    assert not missing, "add a row to docs/engine.md and a test to tests/models/kernels"
