"""How is one cell of a study run? Every arm on the same rows, head, order and budget."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steep.config import FitArgs
from steep.data.budget import within
from steep.data.corpus import Corpus, Data
from steep.metrics.scores import score
from steep.models.devices import choose
from steep.study.design import Cell
from steep.study.tfidf import fit_tfidf
from steep.train import classify, engine


@dataclass(frozen=True)
class Outcome:
    """What a cell found: facts for its file, and its predictions on the test rows."""

    facts: dict[str, Any]
    test: np.ndarray


def run(cell: Cell, data: Data, test: Corpus, adapted: Path, args: FitArgs) -> Outcome:
    """Run one cell; `args` are those of the study, with the study's first seed."""
    args = replace(args, seed=cell.seed)
    budget = within(data, args.label_budget, cell.seed)
    started = time.monotonic()
    if cell.arm == "tfidf":
        valid, outputs = _tfidf(budget, test, cell.seed)
        history, diverged = list[dict[str, Any]](), False
    else:
        encoder = adapted if cell.arm == "adapted" else None
        valid, outputs, history, diverged = _fine_tune(cell, budget, test, encoder, args)
    facts = {
        "seconds": round(time.monotonic() - started, 2),
        "diverged": diverged,
        "valid": score(data.labelled(), data.valid.labels(), valid),
        "test": score(data.labelled(), test.labels(), outputs),
        "history": history,
    }
    return Outcome(facts, outputs)


def _fine_tune(
    cell: Cell, data: Data, test: Corpus, encoder: Path | None, args: FitArgs
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]], bool]:
    """The arms differ in the encoder's weights and in nothing else."""
    assert args.model is not None
    learn = engine.learner(data, encoder or args.model, args, args.model if encoder else None)
    fitted = classify.train(learn, data, args, f"{cell.arm}, seed {cell.seed}")
    classify.in_own_units(fitted)
    machine = choose(args)
    valid, outputs = (fitted.predict(corpus, machine) for corpus in (data.valid, test))
    return valid, outputs, fitted.history, fitted.diverged


def _tfidf(data: Data, test: Corpus, seed: int) -> tuple[np.ndarray, np.ndarray]:
    train, valid = data.train, data.valid
    task = data.labelled()
    model = fit_tfidf(_texts(train), train.labels(), _texts(valid), valid.labels(), task, seed)
    return model.predict(_texts(valid)), model.predict(_texts(test))


def _texts(corpus: Corpus) -> list[str]:
    """The texts; both texts of a pair as one."""
    texts = list(corpus.table["text"])
    if not corpus.has_pairs:
        return texts
    return [f"{one} {two}" for one, two in zip(texts, corpus.table["pair"], strict=True)]
