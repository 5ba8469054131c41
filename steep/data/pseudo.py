"""Which answers of a model become labels, and how do they join the labelled rows?"""

from dataclasses import replace
from typing import Any

import datasets
import numpy as np

from steep.data.corpus import Corpus


def sure(probabilities: np.ndarray, confidence: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows whose class is sure, ascending, and their classes; int64 (k,) each.

    `probabilities` is (n, classes). A row counts if its class has `confidence` or more (Lee 2013,
    "Pseudo-Label"); of each class at most `most`, the surest first, so that the class which the
    model prefers does not crowd out the others.
    """
    classes, best = probabilities.argmax(axis=1), probabilities.max(axis=1)
    kept = []
    for number in range(probabilities.shape[1]):
        own = np.flatnonzero((classes == number) & (best >= confidence))
        kept.append(own[np.argsort(-best[own], kind="stable")][:most])
    places = np.sort(np.concatenate(kept))
    return places, classes[places]


def sure_of_all(
    probabilities: np.ndarray, confidence: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows that are sure of each of their labels, ascending, and the labels.

    `probabilities` is (n, L); the labels are 0/1, int64 (k, L). A row counts if each label has
    `confidence` or more, or 1 - `confidence` or less. The surest come first, by their least sure
    label, and one is taken while any of its labels, or the rows with none, has fewer than `most`.
    """
    labels = (probabilities >= 0.5).astype(np.int64)
    least = np.maximum(probabilities, 1 - probabilities).min(axis=1)
    none = 1 - labels.max(axis=1, keepdims=True)
    told = np.concatenate([labels, none], axis=1).astype(bool)  # what a row would be taken for
    taken, places = np.zeros(told.shape[1], np.int64), []
    for row in np.argsort(-least, kind="stable"):
        if least[row] < confidence:
            break
        if (taken[told[row]] < most).any():
            places.append(int(row))
            taken += told[row]
    places.sort()
    return np.array(places, np.int64), labels[places]


def grown(train: Corpus, more: Corpus, labels: np.ndarray) -> Corpus:
    """The rows of `train`, then the texts of `more` with these labels: int64 (n,), or (n, L).

    Row numbers run on; a weight, where `train` has weights, is 1.
    """
    first = int(train.rows().max()) + 1
    columns: dict[str, Any] = {"row": np.arange(first, first + len(more)), "label": list(labels)}
    if "weight" in train.table.column_names:
        columns["weight"] = np.ones(len(more))
    added = datasets.Dataset.from_dict(columns)
    if "soft" in train.table.column_names:
        single = np.eye(len(train.column("soft")[0]), dtype=np.float32)
        columns["soft"] = list(labels.astype(np.float32) if labels.ndim == 2 else single[labels])
    texts = more.table.select_columns(["id", "text"])
    table = datasets.concatenate_datasets([added, texts], axis=1)
    table = table.select_columns(train.table.column_names).cast(train.table.features)
    return replace(train, table=datasets.concatenate_datasets([train.table, table]))
