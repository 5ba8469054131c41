"""Does every snippet of README and docs run? On tiny files, with a tiny checkpoint.

Commands of `steep` and all Python are run, with a local checkpoint in place of hub names and fewer
passes, seeds, steps and minutes. Not run: `python -m benchmarks`, whose flags are looked up in its
source, make, whose targets are, and pip, whose extras are.
"""

import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steep.models import fit_defaults
from tests.docs.snippets import PAGES, ROOT, Snippet, smaller, snippets_of

Steep = Callable[..., Any]
OUT = r'"(?:model|adapted|study|predictions\.csv)"'  # what several snippets of a page write
WRITES = re.compile(rf"(steep\.(?:adapt|fit|predict|compare|save)\([^)]*{OUT})")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_snippets_run(
    page: Path,
    steep: Steep,
    files: Path,
    long_bert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    for name in ("STEPS_SMALL", "STEPS_BEGUN"):  # of fits that are not told how long
        monkeypatch.setattr(fit_defaults, name, 8)
    monkeypatch.setattr(fit_defaults, "LEAST", 1)
    found = [s for s in snippets_of(page) if s.kind != "text"]
    for snippet in (s for s in found if s.kind == "toml"):
        write_toml(smaller(snippet.code, long_bert), found)
    names: dict[str, Any] = {}
    for snippet in found:
        code = smaller(snippet.code, long_bert)
        if snippet.kind == "python":
            run_python(code, names)
        elif snippet.kind == "sh":
            for line in Snippet("sh", code).commands:
                run_line(line, steep)


def write_toml(code: str, found: list[Snippet]) -> None:
    """Write a file by the name in its first line; some command of the page has to use it."""
    name = re.match(r"# (\S+\.toml)\n", code)
    assert name is not None, "the first line of a TOML snippet must be its name: # NAME.toml"
    Path(name[1]).write_text(code)
    assert tomllib.loads(code)
    assert any(name[1] in s.code for s in found if s.kind == "sh"), f"nothing uses {name[1]}"


def run_python(code: str, names: dict[str, Any]) -> None:
    """Run code as if a reader had read the table, adapted, and had lists of texts and labels."""
    import steep

    if not names:
        table = {"text": "review", "label": "sentiment"}
        data = steep.read("reviews.csv", **table)
        texts = [f"a {word} film of {n}" for n in range(12) for word in ("good", "bad")]
        known = {"data": data, "adapted": "adapted", "texts": texts, "labels": ["p", "n"] * 12}
        names |= {"steep": steep, **known}
    code = WRITES.sub(r"\1, overwrite=True", code)
    exec(compile(code, "<snippet>", "exec"), names)


def run_line(line: str, steep: Steep) -> None:
    words = shlex.split(line)
    if words[0] == "steep":
        out = words[words.index("--out") + 1] if "--out" in words else ""
        is_there = Path(out).exists() if out else "--config" in words
        again = ["--overwrite"] if is_there else []
        config = Path(words[2], "config.json") if len(words) > 2 else Path()
        if words[1] == "bias" and config.is_file() and '"positive"' in config.read_text():
            again += ["--positive", "positive"]  # the model was fitted on reviews, not on comments
        steep(*map(Path, words[1:]), *again)
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif words[:2] == ["python", "-m"]:
        check_flags(words[2], words[3:])
    else:
        assert words[:2] == ["pip", "install"]
        extra = re.findall(r"\[(\w+)\]", words[2])
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert {*extra} <= project["optional-dependencies"].keys()


def check_flags(module: str, words: list[str]) -> None:
    """Raises where there is no such benchmark, or it has no such flag."""
    source = (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    own = words[: words.index("--")] if "--" in words else words
    for flag in (word for word in own if word.startswith("--")):
        assert f'"{flag}"' in source, f"{module} has no {flag}"
