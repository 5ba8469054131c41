"""Which predictions of a teacher become pseudo-labels, and how do they join the labelled rows?"""

from dataclasses import replace
from typing import Any

import datasets
import numpy as np

from steep.data.corpus import Corpus, Task
from steep.data.store import flattened


def pseudo_labels(
    task: Task, probabilities: np.ndarray, confidence: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows that get a pseudo-label, ascending, and their labels.

    `most` bounds the rows of a class, or of a label. Lee 2013, "Pseudo-Label".
    """
    choose = one_label if task.kind == "single" else several_labels
    return choose(probabilities, confidence, most)


def one_label(
    probabilities: np.ndarray, confidence: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions, ascending, of the rows predicted with confidence, and their classes; int64 (k,).

    `probabilities` is (n, classes). A row counts if its class has a probability of `confidence` or
    more; of each class at most `most`, the most confident first, so that the class which the
    teacher prefers does not crowd out the others.
    """
    classes, best = probabilities.argmax(axis=1), probabilities.max(axis=1)
    kept = []
    for number in range(probabilities.shape[1]):
        own = np.flatnonzero((classes == number) & (best >= confidence))
        kept.append(own[np.argsort(-best[own], kind="stable")][:most])
    places = np.sort(np.concatenate(kept))
    return places, classes[places]


def several_labels(
    probabilities: np.ndarray, confidence: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions, ascending, of the rows of which every label is predicted with confidence.

    `probabilities` is (n, L); also returns the labels, 0/1, int64 (k, L). A row counts if each
    label has a probability of `confidence` or more, or of 1 - `confidence` or less. The most
    confident come first, by their least certain label, and one is taken while any of its labels,
    or the rows without a label, has fewer than `most`.
    """
    labels = (probabilities >= 0.5).astype(np.int64)
    least = np.maximum(probabilities, 1 - probabilities).min(axis=1)
    none = 1 - labels.max(axis=1, keepdims=True)
    counted = np.concatenate([labels, none], axis=1).astype(bool)  # what a row counts towards
    taken, places = np.zeros(counted.shape[1], np.int64), []
    for row in np.argsort(-least, kind="stable"):
        if least[row] < confidence:
            break
        if (taken[counted[row]] < most).any():
            places.append(int(row))
            taken += counted[row]
    places.sort()
    return np.array(places, np.int64), labels[places]


def with_pseudo_labels(train: Corpus, texts: Corpus, labels: np.ndarray) -> Corpus:
    """The rows of `train`, then `texts` with these labels: int64 (n,), or (n, L).

    Row numbers continue those of `train`; an example weight, where `train` has weights, is 1.
    """
    first = int(train.rows().max()) + 1
    columns: dict[str, Any] = {"row": np.arange(first, first + len(texts)), "label": list(labels)}
    if "weight" in train.table.column_names:
        columns["weight"] = np.ones(len(texts))
    if "soft" in train.table.column_names:
        single = np.eye(len(train.column("soft")[0]), dtype=np.float32)
        columns["soft"] = list(labels.astype(np.float32) if labels.ndim == 2 else single[labels])
    own = flattened(texts.table.select_columns(["id", "text"]))
    features = datasets.Features({name: train.table.features[name] for name in columns})
    given = datasets.Dataset.from_dict(columns, features)
    table = datasets.concatenate_datasets([given, own], axis=1)
    table = table.select_columns(train.table.column_names)
    return replace(train, table=datasets.concatenate_datasets([train.table, table]))
