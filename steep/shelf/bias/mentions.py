"""Which rows mention which group, which are harmful, and which output of a model says so?

Groups are columns of the table, or words in a TOML file, as docs/bias.md shows it: found
whole, in any case, over the end of a line, too; in scripts that write no blanks, anywhere. Forms
are listed, not guessed.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from steep.args.table import Unit
from steep.data.corpus import Corpus, Task
from steep.data.raw import TEXT, Column, is_missing, number_or_none
from steep.data.readers import Source, open_raw
from steep.data.words import has_unspaced, marks_of_letters
from steep.errors import SteepError
from steep.openings import IdentityArgs
from steep.options import nearest
from steep.toml_files import toml_content
from steep.wording import capital, counted, quoted, some, split_at_commas, twice

TABLES = ("groups", "swap", "skip")
SPECIAL = re.compile(r"[*?+()\[\]{}|\\^$]")  # what a regular expression is made of
TRUE = {"true": "1", "false": "0"}
ABSENT = (("0", "1"), ("0.0", "1.0"), ("no", "yes"), ("false", "true"))  # pairs of classes
UNKNOWN = -1
SHARE = "a share of raters from 0 to 1, or nothing where nobody was asked"

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
        found = [[p.search(text) is not None for p in patterns] for text in map(composed, texts)]
        return np.array(found, bool).reshape(-1, len(patterns))


@dataclass(frozen=True)
class Identities:
    """Which groups rows mention: by `terms`, or by `flags`, int8 (rows of the file, groups).

    Flags are 1, 0, or `UNKNOWN` where nobody was asked.
    """

    names: tuple[str, ...]
    terms: Terms | None = None
    flags: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def of(self, corpus: Corpus) -> np.ndarray:
        """Those of the rows of the corpus, int8 (n, groups)."""
        if self.flags is not None:
            return self.flags[corpus.rows()]
        assert self.terms is not None
        return self.terms.mentions(corpus.whole()).astype(np.int8)


def read_identities(
    source: Source, asked: IdentityArgs, label: str | None, unit: Unit
) -> Identities:
    """The identities that the options name; SteepError for a wrong column, cell or term.

    A share of raters counts from `asked.identity_threshold` on. Rows without any annotation are
    unknown, or background if `asked.unknown` says so.
    """
    if (asked.identities is None) == (asked.terms is None):
        raise SteepError(
            "Say which comments mention a group: --identities COLUMN,COLUMN (shares of raters, or "
            "0/1), or --terms FILE.toml (words), one of the two."
        )
    if asked.terms is not None:
        terms = read_terms(asked.terms)
        _check_names(tuple(terms.groups), label, str(asked.terms))
        return Identities(tuple(terms.groups), terms)
    raw = open_raw(source, unit)
    commas = max((name.count(",") for name in raw.columns), default=0)
    given = split_at_commas(str(asked.identities), lambda name: name in raw.columns, commas)
    names = tuple(name for name in given if name)
    _check_names(names, label, raw.where)
    return _by_columns(source, names, asked, unit)


def _by_columns(
    source: Source, names: tuple[str, ...], asked: IdentityArgs, unit: Unit
) -> Identities:
    where, cells = cells_of(source, names, unit)
    known = np.array([[not is_missing(cell) for cell in cells[name]] for name in names]).T
    flags = np.zeros(known.shape, np.int8)
    for i, name in enumerate(names):
        if not len(there := np.flatnonzero(known[:, i])):
            raise SteepError(f"{where}, column {quoted(name)}: no row has a value.")
        shares = _shares(where, name, [cells[name][at] for at in there], there, SHARE)
        flags[there, i] = shares >= asked.identity_threshold
    asked_of, left_out, notes = known.any(axis=1), asked.unknown == "leave-out", []
    if part := int((asked_of & ~known.all(axis=1)).sum()):
        notes.append(f"{counted(part, 'row')} without a value for some groups: not mentioned")
    if lost := int((~asked_of).sum()):
        fate = "left out" if left_out else "count as rows that mention no group"
        notes.append(f"{counted(lost, 'row')} without any identity annotated: {fate}")
        flags[~asked_of] = UNKNOWN if left_out else 0
    return Identities(names, flags=flags, notes=tuple(notes))


def _check_names(names: tuple[str, ...], label: str | None, where: str) -> None:
    if not names:
        raise SteepError("identities: no column is named.")
    if (name := twice(names)) is not None:
        raise SteepError(f"{where}: the group {quoted(name)} is named twice.")
    if label in names:
        raise SteepError(
            f"{where}: {quoted(str(label))} is the label, so it cannot be a group, too. Rename one."
        )


def cells_of(
    source: Source, names: Sequence[str], unit: Unit
) -> tuple[str, dict[str, list[str | None]]]:
    """What messages call the table, and these columns as texts; SteepError if one is missing."""
    raw = open_raw(source, unit)
    for name in names:
        if raw.columns.get(name) != TEXT:
            what = "holds lists" if name in raw.columns else "is not there"
            raise SteepError(
                f"{raw.where}: the column {quoted(name)} {what}. The columns are "
                f"{some([quoted(column) for column in raw.columns], 30)}."
            )
    cells: dict[str, list[str | None]] = {name: [] for name in names}
    for batch in raw.batches(list(dict.fromkeys(names))):
        for name, found in cells.items():
            found += batch.column(name).to_pylist()
    return raw.where, cells


def _shares(
    where: str, name: str, cells: Sequence[str | None], rows: np.ndarray, wanted: str
) -> np.ndarray:
    """Cells of these rows as numbers from 0 to 1, float64 (n,); SteepError at one that is none."""
    texts = [(cell or "").strip() for cell in cells]
    plain = pa.chunked_array([[TRUE.get(text.lower(), text) for text in texts]], TEXT)
    return Column(where, name, plain, rows).numbers(wanted, 0, 1)


def labels_of(
    source: Source, name: str, corpus: Corpus, unit: Unit, harmful: str, classes: Sequence[str]
) -> np.ndarray:
    """How harmful each row is, float64 (n,): 1 where the cell is the class `harmful`, else 0.

    Where the cells are no names of classes they are shares of raters, or 0/1. Raises SteepError at
    a cell that is neither, or empty.
    """
    where, cells = cells_of(source, [name], unit)
    mine = [(cells[name][row] or "").strip() for row in corpus.rows()]
    if {*mine} <= {*classes} or (harmful in mine and number_or_none(harmful) is None):
        return np.array([cell == harmful for cell in mine], np.float64)
    wanted = f"a share from 0 to 1, or one of {some([quoted(one) for one in classes])}"
    return _shares(where, name, mine, corpus.rows(), wanted)


def output_of(task: Task, positive: str | None, label: str | None) -> int:
    """Which output of a model says how harmful a text is.

    That of the class or label `positive`; else of the column `label`; else the only output, or of
    two classes the second, where their names say that it is the one meant (0 and 1, no and yes,
    "not toxic" and "toxic"). Raises SteepError where none of these is there.
    """
    names = task.labels
    wanted = positive if positive is not None or label not in names else label
    if wanted is None and (len(names) == 1 or (task.kind == "single" and _is_opposite(names))):
        wanted = names[-1]
    if wanted not in names:
        said = f"there is no {quoted(wanted)}" if wanted is not None else "none is named"
        raise SteepError(
            f"positive: which output is harmful? {capital(said)}. The model has "
            f"{some([quoted(name) for name in names], 30)}: name one with --positive."
        )
    return names.index(wanted)


def _is_opposite(names: Sequence[str]) -> bool:
    """Whether two classes are something, the second, and its absence."""
    plain = tuple(name.casefold() for name in names)
    return plain in ABSENT or (len(names) == 2 and names[0] == f"not {names[1]}")


def read_terms(path: Path) -> Terms:
    """The terms in a TOML file; SteepError where a table or a word is not as it should be."""
    content = toml_content(path)
    for name in content.keys() - {*TABLES}:
        raise SteepError(
            f"{path}: there is no table [{name}] in a file of terms.{nearest(name, TABLES)} "
            "Write [groups], [swap.NAME] and [skip]."
        )
    if content.get("groups", {}) == {}:
        raise SteepError(
            f"{path}: the table [groups] is missing, or empty. Write the words that mention each "
            'group: women = ["woman", "women", "she"].'
        )
    groups, axes = _words_of(content["groups"], f"{path}: [groups]"), {}
    swaps, skip = content.get("swap", {}), _words_of(content.get("skip", {}), f"{path}: [skip]")
    _check_table(swaps, f"{path}: [swap]")
    for axis, forms in swaps.items():
        where = f"{path}: [swap.{axis}]"
        axes[axis] = _words_of(forms, where)
        if len(axes[axis]) < 2 or len({len(words) for words in axes[axis].values()}) > 1:
            sizes = ", ".join(f"{name} {len(words)}" for name, words in axes[axis].items())
            raise SteepError(
                f"{where}: needs two groups or more with equally many forms, which take each "
                f"other's place; there are {sizes or 'none'}."
            )
    return Terms(groups, axes, tuple(word for words in skip.values() for word in words))


def pattern_of(words: Sequence[str]) -> re.Pattern[str]:
    """What finds any of the words whole, the longest first, in any case, in a `composed` text."""
    parts, inside = [], rf"[\w{marks_of_letters()}]"
    for word in sorted(map(composed, words), key=len, reverse=True):
        own = r"\s+".join(map(re.escape, word.split()))
        parts.append(own if has_unspaced(word) else rf"(?<!{inside}){own}(?!{inside})")
    return re.compile("|".join(parts), re.IGNORECASE)


def composed(text: str) -> str:
    """The text with each letter and its accents as one character, where Unicode has one (NFC)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _check_table(value: Any, where: str) -> None:
    if not isinstance(value, dict):
        raise SteepError(f"{where} must be a table: a line of its own, and below it NAME = [...].")


def _words_of(table: Any, where: str) -> dict[str, tuple[str, ...]]:
    """Lists of words by name, none of them empty; SteepError for anything else."""
    _check_table(table, where)
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
