"""What does a run folder say of its data? Files, parts and label counts; and a fingerprint."""

import hashlib
from typing import Any

import numpy as np

from steep import runs
from steep.data.corpus import Corpus, Data


def record(run: runs.Run, data: Data, base: str) -> None:
    """Data and checkpoint in the manifest, the splits beside it, every note of the data said."""
    for note in data.notes:
        run.note(note)
    run.record(data=describe(data), base=base)
    data.splits.save(run.folder / runs.SPLITS)


def fingerprint(corpus: Corpus) -> str:
    """A hash of all that a corpus holds, in its order."""
    digest = hashlib.blake2b(corpus.rows().astype("<i8").tobytes(), digest_size=12)
    for column in ("text", "pair") if corpus.has_pairs else ("text",):
        for texts in corpus.texts(column):
            digest.update("\0".join(texts).encode())
    if corpus.task is not None:
        digest.update(repr(corpus.task).encode() + corpus.targets().tobytes())
        digest.update(corpus.weights().tobytes())
    return digest.hexdigest()


def describe(data: Data) -> dict[str, Any]:
    """Files, rows, parts and label counts, as plain JSON."""
    rows = dict.fromkeys(data.splits.origins.values(), 0)  # two files may have one name
    for part, corpus in data.parts.items():
        rows[data.splits.origins[part]] += len(corpus)
    files = [{"name": o.file, "rows": n, "fingerprint": o.fingerprint} for o, n in rows.items()]
    return {
        "files": files,
        "parts": {part: len(corpus) for part, corpus in data.parts.items()},
        "labels": {part: label_counts(corpus) for part, corpus in data.parts.items()},
    }


def label_counts(corpus: Corpus) -> dict[str, int]:
    """Rows of each class, or rows that have each label; empty for regression and no labels."""
    if corpus.task is None or corpus.task.kind == "regression":
        return {}
    labels = corpus.labels()
    names = corpus.task.labels
    counts = np.bincount(labels, minlength=len(names)) if labels.ndim == 1 else labels.sum(0)
    return {name: int(count) for name, count in zip(names, counts, strict=True)}
