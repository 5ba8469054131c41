"""How are rows added to those of the training? Texts with labels that somebody else gave."""

from dataclasses import replace
from typing import Any

import datasets
import numpy as np

from steep.data.cache_files import flattened
from steep.data.corpus import Corpus


def with_rows(train: Corpus, texts: Corpus, labels: np.ndarray) -> Corpus:
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
    if "group" in train.table.column_names:
        columns["group"] = [""] * len(texts)  # training rows are not grouped any more
    own = flattened(texts.table.select_columns(["id", "text"]))
    features = datasets.Features({name: train.table.features[name] for name in columns})
    given = datasets.Dataset.from_dict(columns, features)
    table = datasets.concatenate_datasets([given, own], axis=1)
    table = table.select_columns(train.table.column_names)
    return replace(train, table=datasets.concatenate_datasets([train.table, table]))
