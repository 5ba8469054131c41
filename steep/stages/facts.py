"""What does every run folder say of its data and its machine?"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from steep.config import Options, as_mapping
from steep.data.corpus import Corpus, Data, Task
from steep.metrics.thresholds import decide
from steep.runs import SPLITS, Run, versions

if TYPE_CHECKING:
    from steep.models.devices import Machine

EXCERPT = 300  # characters of a text that predictions show
HARMLESS = ("overwrite", "save_every", "track")  # options that change no result


def record(run: Run, data: Data, machine: "Machine", base: str) -> None:
    """Data, machine and checkpoint in the manifest, the splits beside it, every note said once."""
    for note in data.notes:
        run.note(note)
    if machine.device.type == "cpu" and not machine.bf16:
        run.note(f"computing on {machine}: this processor has no bf16, so it takes its time")
    run.record(data=describe(data), device=str(machine.device), base=base)
    run.record(precision="bf16" if machine.bf16 else "fp32")
    data.splits.save(run.folder / SPLITS)


def identity(
    args: Options, data: Data, machine: "Machine", further: Sequence[Corpus] = ()
) -> dict[str, Any]:
    """What two runs must have in common for one to go on where the other was killed, by name."""
    corpora = data.parts | {corpus.source: corpus for corpus in further}
    options = {name: value for name, value in as_mapping(args).items() if name not in HARMLESS}
    return {
        "options": options,
        "data": {name: fingerprint(corpus) for name, corpus in corpora.items()},
        "versions": versions(),
        "machine": {"computing": str(machine), "fast layers": machine.fast},
    }


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


def prediction_lines(corpus: Corpus, task: Task, probabilities: np.ndarray) -> list[dict[str, Any]]:
    """One dictionary a row, in the file's order: row, id, text, truth, predicted, p_<label>.

    The corpus has labels; the thresholds are those of `task`.
    """
    lines = [
        {"row": record["row"], "id": record["id"], "text": record["text"][:EXCERPT]}
        for record in corpus.table
    ]
    if task.kind == "regression":
        both = zip(lines, corpus.labels(), probabilities, strict=True)
        return [line | {"truth": _joined(t), "predicted": _joined(p)} for line, t, p in both]
    truth, predicted = named(task, corpus.labels()), named(task, decide(task, probabilities))
    return [
        line | {"truth": known, "predicted": said} | _shares(task, given)
        for line, known, said, given in zip(lines, truth, predicted, probabilities, strict=True)
    ]


def named(task: Task, decided: np.ndarray) -> list[str]:
    """Class indices (n,) by name, or labels 0/1 (n, L) by their names, joined by '|'."""
    if task.kind == "single":
        return [task.labels[int(index)] for index in decided]
    return [
        "|".join(label for label, on in zip(task.labels, row, strict=True) if on) for row in decided
    ]


def _joined(targets: np.ndarray) -> float | str:
    """A target, or several joined by '|'."""
    return float(targets) if targets.ndim == 0 else "|".join(str(float(t)) for t in targets)


def _shares(task: Task, given: np.ndarray) -> dict[str, str]:
    return {f"p_{label}": f"{p:.6f}" for label, p in zip(task.labels, given, strict=True)}
