"""What are the documents and their sentences? Read, split, and told by row what is wrong with them.

A document is a text, or a list of sentences that the user split. Such a list is kept as a text
whose first character is a line break: every line of it is a sentence. Of other texts, line breaks
end sentences, and within lines Punkt does (`steep.data.words`), which learnt abbreviations from the
training documents. A sentence keeps its number whatever happens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

from steep.args.table import SplitArgs, TableArgs
from steep.data.corpus import Corpus, Data
from steep.data.load import check_column, split_data
from steep.data.raw import TEXT, TEXTS, Raw
from steep.data.readers import Source, is_plain, is_texts, listed, open_raw, stored, table_key
from steep.data.words import sentences_of
from steep.errors import SteepError
from steep.shelf.summarize import DocumentArgs, ReferenceArgs
from steep.wording import quoted, some

LISTED = "\n"  # begins a document whose lines are its sentences
MARKS = {"0": 0, "1": 1, "false": 0, "true": 1, "0.0": 0, "1.0": 1}


@dataclass(frozen=True)
class Document:
    """A document by sentences; what its summary says, by sentences; and what the user marked."""

    row: int
    id: str
    sentences: list[str]
    reference: list[str]
    marks: list[int] | None = None


def read_documents(
    source: Source | Sequence[Any], columns: DocumentArgs, reference: ReferenceArgs | None = None
) -> Corpus:
    """The documents of a table, a folder, or a list; with `reference` also what they are to say.

    All rows, also empty ones. Raises SteepError for a source that cannot be read, or lacks a
    column.
    """
    if is_texts(source):
        source = pd.DataFrame({columns.text or "text": listed(source)})
    text = "text" if is_plain(source) else columns.text or "text"
    raw = open_raw(source, columns.unit)
    roles = {"text": text}
    if columns.id or "id" in raw.columns:
        roles["id"] = columns.id or "id"
    if reference is not None:
        role = "marks" if reference.sentence_labels else "summary"
        roles[role] = reference.sentence_labels or reference.summary or "summary"
    for role, name in roles.items():
        check_column(raw, name)
        where = f"{raw.where}, column {quoted(name)}"
        if role == "id" and raw.columns[name] != TEXT:
            raise SteepError(f"{where}: holds lists, not ids.")
        if role == "marks" and raw.columns[name] != TEXTS:
            raise SteepError(
                f"{where}: expected lists of 0 and 1, one for each sentence. Write the table as "
                "JSON lines, with lists."
            )
    lines = _as_lines(raw, {roles[role] for role in ("text", "summary") if role in roles})
    table, _ = stored(table_key(lines, roles, "documents"), lines, roles, keep_empty=True)
    if not len(table):
        raise SteepError(f"{raw.where}: holds no rows.")
    return Corpus(table, raw.name, notes=raw.notes)


def _as_lines(raw: Raw, names: set[str]) -> Raw:
    """The table with texts for the lists of sentences in these columns."""

    def batches(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in raw.batches(wanted):
            cells = [
                pa.array(map(_lines, batch.column(n).to_pylist()), TEXT)
                if n in names
                else batch.column(n)
                for n in wanted
            ]
            yield pa.RecordBatch.from_arrays(cells, names=list(wanted))

    kinds = {name: TEXT if name in names else kind for name, kind in raw.columns.items()}
    return replace(raw, columns=kinds, batches=batches)


def _lines(cell: str | list[str | None] | None) -> str | None:
    """A text as it is, and a list of sentences as the lines of one."""
    if not isinstance(cell, list):
        return cell and cell.lstrip("\r\n")
    return LISTED + "\n".join(" ".join((sentence or "").split()) for sentence in cell)


def split_documents(
    source: Source,
    columns: DocumentArgs,
    reference: ReferenceArgs,
    how: SplitArgs,
    like: Path | None,
) -> Data:
    """The documents that have a text and a summary, split; copies in two parts are told.

    Equal documents are in one part. Raises SteepError for whatever is wrong with them.
    """
    files = {"valid": how.files.valid, "test": how.files.test}
    sources = {"": source} | {part: path for part, path in files.items() if path is not None}
    read = {p: usable(read_documents(s, columns, reference)) for p, s in sources.items()}
    data = split_data(read.pop(""), read, TableArgs(), how, like)
    if not len(data.valid):
        raise SteepError("valid_share 0: summaries are chosen on validation documents.")
    return data


def role_of(corpus: Corpus) -> str:
    """Which column says what the documents are to say."""
    return "marks" if "marks" in corpus.table.column_names else "summary"


def usable(corpus: Corpus) -> Corpus:
    """The documents that have both text and summary; what is left out is noted by its row."""
    role = role_of(corpus)
    empty = np.array([not text.strip() for text in corpus.table["text"]], bool)
    cells = ["".join(mark or "" for mark in cell or ()) for cell in corpus.table[role]]
    bare = np.array([not cell.strip() for cell in cells], bool)
    notes = list(corpus.notes)
    said = "labels" if role == "marks" else role
    for what, lost in (("text", empty), (said, bare & ~empty)):
        if lost.any():
            notes.append(
                f"{corpus.source}: {lost.sum():,} of {len(corpus):,} documents have no {what} "
                f"({rows_in_words(corpus.rows()[lost])}): left out"
            )
    kept = np.flatnonzero(~empty & ~bare)
    if not len(kept):
        raise SteepError(f"{corpus.source}: no row has both a text and {said}.")
    return replace(corpus.take(kept), notes=tuple(notes))


def rows_in_words(rows: Sequence[int] | np.ndarray) -> str:
    """'row 3', or 'rows 3, 5 and 8 more': numbered from 1."""
    return f"row{'s' if len(rows) > 1 else ''} {some([f'{row + 1:,}' for row in rows])}"


def documents_of(corpus: Corpus, splitter: PunktSentenceTokenizer) -> Iterator[Document]:
    """The documents by sentences, one after the other: a thousand texts are in memory.

    Raises SteepError where labels are not those of their sentences.
    """
    for start in range(0, len(corpus), 1000):
        lines = corpus.table[start : start + 1000]
        for at, (row, name, text) in enumerate(
            zip(lines["row"], lines["id"], lines["text"], strict=True)
        ):
            sentences = split(text, splitter)
            if "marks" not in lines:
                summary = lines["summary"][at] if "summary" in lines else ""
                yield Document(row, name, sentences, split(summary or "", splitter))
                continue
            marks = _marks(lines["marks"][at], sentences, f"{corpus.source}, row {row + 1:,}")
            said = [s for s, mark in zip(sentences, marks, strict=True) if mark]
            yield Document(row, name, sentences, said, marks)


def _marks(given: Sequence[str | None], sentences: Sequence[str], where: str) -> list[int]:
    cells = [(cell or "").strip().lower() for cell in given]
    if (odd := next((cell for cell in cells if cell not in MARKS), None)) is not None:
        raise SteepError(f"{where}: a label of a sentence must be 0 or 1, not {quoted(odd)}.")
    if len(cells) != len(sentences):
        raise SteepError(
            f"{where}: {len(cells):,} labels for {len(sentences):,} sentences. Give the document "
            "as a list of sentences, with as many labels."
        )
    return [MARKS[cell] for cell in cells]


def split(text: str, splitter: PunktSentenceTokenizer) -> list[str]:
    """The sentences of a document; a line without letter or digit is part of the one before."""
    if text.startswith(LISTED):
        return text[1:].split("\n")
    found: list[str] = []
    for line in text.splitlines():
        line = line.strip()
        if line and found and not any(map(str.isalnum, line)):
            found[-1] += f" {line}"
        elif line:
            found += sentences_of(line, splitter)
    return found


def as_json(punkt: PunktParameters) -> dict[str, Any]:
    """What was learnt, as plain JSON."""
    return {
        "abbreviations": sorted(punkt.abbrev_types),
        "collocations": sorted(map(list, punkt.collocations)),
        "starters": sorted(punkt.sent_starters),
        "contexts": dict(sorted(punkt.ortho_context.items())),
    }


def from_json(known: dict[str, Any]) -> PunktSentenceTokenizer:
    """The splitter that `as_json` wrote."""
    punkt = PunktParameters()
    punkt.abbrev_types = set(known["abbreviations"])
    punkt.collocations = {(one, other) for one, other in known["collocations"]}
    punkt.sent_starters = set(known["starters"])
    punkt.ortho_context.update(known["contexts"])
    return PunktSentenceTokenizer(punkt)
