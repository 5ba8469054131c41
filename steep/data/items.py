"""How do single texts in memory become a corpus?"""

from collections.abc import Sequence
from typing import Any

import datasets

from steep.data.corpus import Corpus
from steep.errors import SteepError
from steep.wording import quoted


def corpus_of(items: Sequence[Any], like: Corpus, labelled: bool = False) -> Corpus:
    """Texts, pairs of texts, or rows of a corpus's table, with the columns of `like`.

    Labels are taken over if `labelled`; only rows have them. Raises SteepError for other items.
    """
    names = ["text", "pair"] if like.has_pairs else ["text"]
    if not items:
        raise SteepError("no items: expected texts.")
    rows = [_row(item, number, names) for number, item in enumerate(items)]
    kept = ["row", "id", *names, *(["label"] if labelled else [])]
    for number, row in enumerate(rows):
        if labelled and "label" not in row:
            raise SteepError(f"item {number} has no label: give rows of a corpus's table.")
    columns = {name: [row[name] for row in rows] for name in kept}
    features = datasets.Features({name: like.table.features[name] for name in kept})
    return Corpus(datasets.Dataset.from_dict(columns, features), "items")


def _row(item: Any, number: int, names: list[str]) -> dict[str, Any]:
    """An item as a row of a table; SteepError where it lacks a text."""
    if isinstance(item, dict):
        row = {"row": number, "id": str(number)} | item
    else:
        texts = item if isinstance(item, tuple | list) else (item,)
        row = {"row": number, "id": str(number)} | dict(zip(names, texts, strict=False))
        if len(texts) != len(names):
            row = {}
    if not all(isinstance(row.get(name), str) for name in names):
        wanted = "a text" if len(names) == 1 else "a pair of texts"
        raise SteepError(f"item {number}: expected {wanted}, not {quoted(str(item))}.")
    return row
