"""Does a head begin with what the frozen encoder and the facts already tell?"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from steep.args import MachineArgs
from steep.models.devices import choose
from steep.shelf.summarize import ReadingArgs
from steep.shelf.summarize.head import C_GRID, begin_head
from steep.shelf.summarize.model import Reader, start_reader
from tests.shelf.summarize.conftest import made


def begun(tiny_bert: Path, rows: list[dict[str, Any]]) -> Reader:
    """A reader whose head knows these documents."""
    machine = choose(MachineArgs(device="cpu", precision="fp32"))
    reader = start_reader(str(tiny_bert), ReadingArgs(sentence_vectors="mean"), machine, 0)
    train, valid = (
        (
            reader.windows([row["sentences"] for row in part]),
            np.concatenate([row["labels"] for row in part]),
        )
        for part in (rows, made(20, 3))
    )
    begin_head(reader, train, valid, 8)
    return reader


def test_it_tells_sentences_apart_before_any_training(tiny_bert: Path) -> None:
    reader, asked = begun(tiny_bert, made(120, 1)), made(40, 2)
    scores = np.concatenate(reader.scores([row["sentences"] for row in asked], 8))
    assert roc_auc_score(np.concatenate([row["labels"] for row in asked]), scores) > 0.75


def test_logits_are_those_of_a_regression_on_standardised_features(tiny_bert: Path) -> None:
    """Its scaling is folded into the weights, which read the features as they are."""
    rows = made(60, 1)
    reader, texts = begun(tiny_bert, rows), [row["sentences"] for row in rows]
    features = reader.run(reader.windows(texts), 4, reader.scorer.read).astype(float)
    labels, sizes = np.concatenate([row["labels"] for row in rows]), [len(text) for text in texts]
    weights = np.repeat([1 / size for size in sizes], sizes)
    scaled = StandardScaler().fit_transform(features)
    found = logit(np.concatenate(reader.scores(texts, 4)))
    fits = [
        LogisticRegression(C=c, max_iter=1000).fit(scaled, labels, weights / weights.mean())
        for c in C_GRID
    ]
    assert min(abs(fit.decision_function(scaled) - found).max() for fit in fits) < 1e-2


def test_one_label_alone_leaves_the_head_as_it_is(tiny_bert: Path) -> None:
    rows = [row | {"labels": [1] * len(row["sentences"])} for row in made(5, 1)]
    assert not begun(tiny_bert, rows).scorer.head.weight.any()


def test_a_small_bert_is_read_by_the_mean(tiny_bert: Path) -> None:
    machine = choose(MachineArgs(device="cpu", precision="fp32"))
    assert not start_reader(str(tiny_bert), ReadingArgs(), machine, 0).layout.first
