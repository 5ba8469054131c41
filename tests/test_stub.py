"""Do editors and type checkers see the options that there are?"""

import ast

from scripts import make_stub


def test_the_stub_is_current() -> None:
    assert make_stub.STUB.read_text(encoding="utf-8") == make_stub.stub(), (
        "run `python -m scripts.make_stub`"
    )


def test_the_stub_is_python_and_names_every_public_function() -> None:
    import steep

    tree = ast.parse(make_stub.stub())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    imported = {
        a.asname for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names
    }
    assert functions | imported - {None} == {*steep._HOMES, *steep._FEATURES}
