"""Does a head begin with what the frozen encoder and the facts already tell?"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from steep.args import MachineArgs
from steep.models.devices import choose
from steep.shelf.summarize import ReadingArgs
from steep.shelf.summarize.head import begin_head
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


def test_logits_are_those_of_the_regression(tiny_bert: Path) -> None:
    """Its scaling is within the weights: they read what the head reads, as it is."""
    reader, asked = begun(tiny_bert, made(60, 1)), [row["sentences"] for row in made(5, 2)]
    features = reader.run(reader.windows(asked), 4, reader.scorer.read)
    with torch.no_grad():
        logits = reader.scorer.head(torch.from_numpy(features))[:, 0].sigmoid()
    assert np.allclose(np.concatenate(reader.scores(asked, 4)), logits, atol=1e-5)


def test_one_label_alone_leaves_the_head_as_it_is(tiny_bert: Path) -> None:
    rows = [row | {"labels": [1] * len(row["sentences"])} for row in made(5, 1)]
    assert not begun(tiny_bert, rows).scorer.head.weight.any()
