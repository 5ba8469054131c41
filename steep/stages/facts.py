"""What does every run folder say of its data and its machine?"""

from typing import Any

import numpy as np

from steep.data.corpus import Corpus, Data
from steep.models.devices import Machine
from steep.runs import SPLITS, Run

EXCERPT = 300  # characters of a text that predictions show


def record(run: Run, data: Data, machine: Machine, base: str) -> None:
    """Data, machine and checkpoint in the manifest, the splits beside it, every note said once."""
    for note in data.notes:
        run.note(note)
    if machine.device.type == "cpu" and not machine.bf16:
        run.note(f"computing on {machine}: this processor has no bf16, so it takes its time")
    run.record(data=describe(data), device=str(machine.device), base=base)
    run.record(precision="bf16" if machine.bf16 else "fp32")
    data.splits.save(run.folder / SPLITS)


def describe(data: Data) -> dict[str, Any]:
    """Files, rows, parts and label counts, as plain JSON."""
    origins = {origin.file: origin.fingerprint for origin in data.splits.origins.values()}
    rows = dict.fromkeys(origins, 0)
    for part, corpus in data.parts.items():
        rows[data.splits.origins[part].file] += len(corpus)
    return {
        "files": [{"name": n, "rows": rows[n], "fingerprint": f} for n, f in origins.items()],
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


def prediction_lines(
    corpus: Corpus, labels: tuple[str, ...], probabilities: np.ndarray, texts: bool = True
) -> list[dict[str, Any]]:
    """One dictionary a row, in the file's order: row, id, text, truth, predicted, p_<label>."""
    kind = corpus.task.kind if corpus.task else None
    truth = corpus.labels() if kind else [None] * len(corpus)
    lines = []
    for record, known, given in zip(corpus.table, truth, probabilities, strict=True):
        line = {"row": record["row"], "id": record["id"]}
        if texts:
            line["text"] = record["text"][:EXCERPT]
        if kind == "regression":
            lines.append(line | {"truth": float(known), "predicted": float(given)})
            continue
        line["truth"] = _named(known, labels)
        line["predicted"] = _named(decide(given, kind == "multi"), labels)
        shares = zip(labels, given, strict=True)
        lines.append(line | {f"p_{label}": f"{p:.6f}" for label, p in shares})
    return lines


def decide(probabilities: np.ndarray, multi: bool) -> np.ndarray | int:
    """The most probable class, or for multi-label every label of probability 1/2 or more."""
    return probabilities >= 0.5 if multi else int(probabilities.argmax())


def _named(value: np.ndarray | int, labels: tuple[str, ...]) -> str:
    if not isinstance(value, np.ndarray):
        return labels[int(value)]
    return "|".join(label for label, on in zip(labels, value, strict=True) if on)
