"""How is one cell of a study run? Every arm on the same rows, head, order and budget."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steep.args import FitArgs
from steep.data import weights
from steep.data.budget import within
from steep.data.corpus import Corpus, Data
from steep.metrics.scores import score
from steep.study.design import AWD_LSTM, Cell


@dataclass(frozen=True)
class Job:
    """A cell with what it starts from (None: the checkpoint's own encoder), and its options."""

    cell: Cell
    encoder: Path | None
    args: FitArgs


@dataclass(frozen=True)
class Outcome:
    """What a cell found: facts for its file, and its predictions on the test rows."""

    facts: dict[str, Any]
    test: np.ndarray


def run(cell: Cell, data: Data, test: Corpus, encoder: Path | None, args: FitArgs) -> Outcome:
    """Run one cell with `args`, but for the seed, which is the cell's own.

    It starts from `encoder`, or from the checkpoint's own where that is None. A training that
    diverges has no scores; its predictions are not numbers.
    """
    args = replace(args, seed=cell.seed, label_budget=cell.labels)
    budget = within(data, cell.labels, cell.seed)
    started = time.monotonic()
    history: list[dict[str, Any]] = []
    if cell.arm == "tfidf":
        valid, outputs = _tfidf(budget, test, args)
    elif cell.arm == AWD_LSTM:
        valid, outputs, history = _awd_lstm(cell, budget, test, encoder, args)
    else:
        valid, outputs, history = _fine_tune(cell, budget, test, encoder, args)
    diverged = not np.isfinite(outputs).all()
    seconds = round(time.monotonic() - started, 2)
    facts: dict[str, Any] = {"seconds": seconds, "diverged": diverged}
    for part, corpus, given in (("valid", data.valid, valid), ("test", test, outputs)):
        facts[part] = {} if diverged else score(data.labelled(), corpus.labels(), given)
    return Outcome(facts | {"epochs": args.epochs, "history": history}, outputs)


def _fine_tune(
    cell: Cell, data: Data, test: Corpus, encoder: Path | None, args: FitArgs
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """The arms differ in the encoder's weights or, with a recipe, in options; in nothing else."""
    from steep.models.devices import choose
    from steep.train import classify, engine

    assert args.model is not None
    learn = engine.learner(data, encoder or args.model, args, args.model if encoder else None)
    fitted = classify.train(learn, data, args, str(cell))
    classify.in_own_units(fitted)
    machine = choose(args)
    valid, outputs = (fitted.predict(corpus, machine) for corpus in (data.valid, test))
    return valid, np.full_like(outputs, np.nan) if fitted.diverged else outputs, fitted.history


def _awd_lstm(
    cell: Cell, data: Data, test: Corpus, encoder: Path | None, args: FitArgs
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """The same rows, labels, losses and number of epochs; rates are fastai's own."""
    from steep.models.devices import choose
    from steep.train import awd_lstm, awd_weights

    assert encoder is not None
    start = awd_weights.load(encoder)
    return awd_lstm.fit(data, test, start, args, choose(args).device, str(cell))


def _tfidf(data: Data, test: Corpus, args: FitArgs) -> tuple[np.ndarray, np.ndarray]:
    """Rows and classes weigh what they weigh for the other arms; the loss is always its own."""
    from steep.study.tfidf import fit_tfidf

    train, valid = data.train, data.valid
    task = data.labelled()
    counts = weights.of_rows(train, task, args)
    known = (train.whole(), train.labels(), valid.whole(), valid.labels())
    model = fit_tfidf(*known, task, args.seed, counts)
    return model.predict(valid.whole()), model.predict(test.whole())
