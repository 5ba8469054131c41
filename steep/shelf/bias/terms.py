"""Which words mention a group, and which take each other's place? A TOML file says it.

    [groups]
    women = ["woman", "women", "she", "her"]
    men = ["man", "men", "he", "him", "his"]

    [swap.gender]                      # forms at the same place are swapped; the first one counts
    women = ["woman", "women", "she", "her", "her"]
    men = ["man", "men", "he", "him", "his"]

    [skip]                             # no text with these is swapped
    words = ["mankind"]

Words are found whole, in any case; in scripts that write no blanks, anywhere. Forms are listed, not
guessed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from steep.data.words import has_unspaced
from steep.errors import SteepError
from steep.options import nearest
from steep.toml_files import read_toml
from steep.wording import quoted

TABLES = ("groups", "swap", "skip")
SPECIAL = re.compile(r"[*?+()\[\]{}|\\^$]")  # what a regular expression is made of

Forms = Mapping[str, tuple[str, ...]]  # of each group


@dataclass(frozen=True)
class Terms:
    """The words of each group, the forms of each axis of swaps, and what no swapped text has."""

    groups: Forms
    axes: Mapping[str, Forms] = field(default_factory=dict)
    skip: tuple[str, ...] = ()

    def mentions(self, texts: Iterable[str]) -> np.ndarray:
        """Which texts mention each group: bool (n, groups)."""
        patterns = [pattern_of(words) for words in self.groups.values()]
        found = [[p.search(text) is not None for p in patterns] for text in texts]
        return np.array(found, bool).reshape(-1, len(patterns))


def read_terms(path: Path) -> Terms:
    """The terms in a TOML file; SteepError where a table or a word is not as it should be."""
    content = read_toml(path)
    for name in content.keys() - {*TABLES}:
        raise SteepError(
            f"{path}: there is no table [{name}] in a file of terms.{nearest(name, TABLES)} "
            "Write [groups], [swap.NAME] and [skip]."
        )
    if not content.get("groups"):
        raise SteepError(
            f"{path}: the table [groups] is missing, or empty. Write the words that mention each "
            'group: women = ["woman", "women", "she"].'
        )
    axes = {}
    for axis, forms in content.get("swap", {}).items():
        where = f"{path}: [swap.{axis}]"
        if not isinstance(forms, dict):
            raise SteepError(f"{where} must be a table: write [swap.{axis}] above its groups.")
        axes[axis] = _words_of(forms, where)
        if len(axes[axis]) < 2 or len({len(words) for words in axes[axis].values()}) > 1:
            sizes = ", ".join(f"{name} {len(words)}" for name, words in axes[axis].items())
            raise SteepError(
                f"{where}: needs two groups or more with equally many forms, which take each "
                f"other's place; there are {sizes}."
            )
    skip = _words_of(content.get("skip", {}), f"{path}: [skip]")
    every = tuple(word for words in skip.values() for word in words)
    return Terms(_words_of(content["groups"], f"{path}: [groups]"), axes, every)


def pattern_of(words: Sequence[str]) -> re.Pattern[str]:
    """What finds any of the words whole, the longest first, in any case."""
    ordered = sorted(words, key=len, reverse=True)
    parts = (re.escape(w) if has_unspaced(w) else rf"(?<!\w){re.escape(w)}(?!\w)" for w in ordered)
    return re.compile("|".join(parts), re.IGNORECASE)


def _words_of(table: Mapping[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    """Lists of words by name, none of them empty; SteepError for anything else."""
    for name, words in table.items():
        if not isinstance(words, list) or not words or not all(isinstance(w, str) for w in words):
            raise SteepError(f'{where}: {quoted(name)} must be a list of words, ["one", "two"].')
        for word in words:
            if SPECIAL.search(word) or not re.search(r"\w", word) or word != word.strip():
                raise SteepError(
                    f"{where}: {quoted(name)} has the term {quoted(word)}, which is no plain word. "
                    "Terms are no patterns: list every form as it is written, without blanks "
                    "around it."
                )
    return {name: tuple(words) for name, words in table.items()}
