"""How is a snippet of the documentation run here? With a tiny checkpoint, and less to do."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CHECKPOINTS = r"\b(bert-base-uncased|microsoft/deberta-v3-small|MODEL|DIR)\b"
MOST = {  # of an option, or of a keyword, so that a command takes a second or two
    "epochs": 2,
    "head-epochs": 1,
    "seeds": 2,
    "minutes": 0.01,
    "max-steps": 4,
    "eval-steps": 2,
    "save-every": 1,
    "devices": 1,
    "label-budget": 24,
    "confidence": 0.5,  # what a model that has learnt nothing has
}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """A block of code in a page; `kind` is sh, python, toml, or text that is no code."""

    kind: str
    code: str

    @property
    def commands(self) -> list[str]:
        """The lines for a shell, without comments, each in one piece."""
        joined = re.sub(r"\\\n\s*", "", self.code)
        lines = (re.sub(r"\s+#.*", "", line).strip() for line in joined.splitlines())
        return [line for line in lines if line]


def snippets_of(page: Path) -> list[Snippet]:
    """The blocks of a page, in their order."""
    found = []
    for language, code in BLOCK.findall(page.read_text(encoding="utf-8")):
        first = code.split(maxsplit=1)[0] if code.strip() else ""
        command = first in ("steep", "python", "make", "pip")
        found.append(Snippet(language or ("sh" if command else "text"), code))
    return found


def smaller(code: str, checkpoint: Path) -> str:
    """The code with a checkpoint of this machine, and less to do."""
    code = re.sub(CHECKPOINTS, str(checkpoint), code)
    for name, most in MOST.items():
        words = name.replace("-", "[-_]")
        pattern = rf"((?<![a-z][-_])\b{words}s?[\"']?\s?[ =:]\s?)(\d+(?:\.\d+)?)"
        code = re.sub(pattern, lambda found, most=most: _at_most(found, most), code)
    return code


def _at_most(found: re.Match[str], most: float) -> str:
    return f"{found[1]}{min(most, float(found[2])):g}"
