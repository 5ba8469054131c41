"""Which labels are one, written in several ways? 1, 1.0 and 01; Positive and positive."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from steep.wording import listed, quoted, some

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
Spellings = dict[str, str]  # from a spelling to the one that is used for it


def one_for_each(counts: Mapping[str, int]) -> Spellings:
    """The spellings, with their numbers of rows, that give way to another of the same label.

    Of numbers the shortest is kept, of words the one of most rows.
    """
    found: Spellings = {}
    for spellings in _alike(counts).values():
        best = min(spellings, key=lambda text: _rank(text, counts[text]))
        found |= {text: best for text in spellings if text != best}
    return found


def known_ones(texts: Iterable[str], labels: Sequence[str]) -> Spellings:
    """Those of the texts that are one of the labels in another spelling."""
    known = {key: spelled[0] for key, spelled in _alike(labels).items() if len(spelled) == 1}
    keys = {text: _key(text) for text in texts if text not in labels}
    return {text: known[key] for text, key in keys.items() if key in known}


def spelling_notes(name: str, spellings: Spellings, kind: str) -> tuple[str, ...]:
    """What is read as what, and how to keep it apart."""
    if not spellings:
        return ()
    groups: dict[str, list[str]] = defaultdict(list)
    for text, best in spellings.items():
        groups[best].append(quoted(text))
    told = [f"{listed(texts)} as {quoted(best)}" for best, texts in groups.items()]
    return (
        f"label {quoted(name)}: different spellings are read as one label: {some(told, 8)}. To "
        f"keep them apart, say --task {kind}",
    )


def _alike(texts: Iterable[str]) -> dict[Decimal | str, list[str]]:
    groups: dict[Decimal | str, list[str]] = defaultdict(list)
    for text in texts:
        groups[_key(text)].append(text)
    return groups


def _key(text: str) -> Decimal | str:
    """What spellings of one label have in common: its value, or its letters."""
    if NUMBER.fullmatch(text):
        return Decimal(text)
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _rank(text: str, rows: int) -> tuple[int, int, str]:
    return (0 if NUMBER.fullmatch(text) else -rows, len(text), text)
