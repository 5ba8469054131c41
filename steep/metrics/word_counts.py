"""What does a linear model on word counts reach? The baseline that everyone should see first.

Words and word pairs, tf-idf weighted (sublinear), into a linear model: logistic regression (single
label: softmax; several labels: one a label) or ridge regression. Its regularisation, and whether
all classes weigh the same, are chosen on the validation rows, which are used for nothing else. It
takes seconds on a CPU, and on long or plentiful text it is often hard to beat (Wang & Manning 2012,
"Baselines and Bigrams").
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import spmatrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from steep.data.corpus import Task
from steep.data.words import words_in
from steep.errors import SteepError
from steep.metrics.scores import higher_is_better, primary, score
from steep.seeds import derive

C_GRID = (1.0, 4.0, 16.0, 64.0)
ALPHA_GRID = (8.0, 2.0, 0.5, 0.125)
MOST_FEATURES = 100_000

Labelled = tuple[Sequence[str], np.ndarray]
"""Texts and their labels, as in `steep.metrics.scores.score`."""
Predict = Callable[[Any], np.ndarray]
"""Features (n, size), dense or sparse -> probabilities float64 (n, classes), or targets (n,)."""


@dataclass(frozen=True)
class Tfidf:
    """A fitted baseline: `strength` is the C (or, for regression, alpha) that was chosen."""

    vectorizer: TfidfVectorizer
    model: Predict
    strength: float

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities (n, labels) in the order of the task's; predictions (n,) (regression).

        A class that no training row had gets probability 0.
        """
        return self.model(self.vectorizer.transform(texts))


def fit_tfidf(
    train: Labelled,
    valid: Labelled,
    task: Task,
    seed: int = 0,
    weights: np.ndarray | None = None,
) -> Tfidf:
    """The baseline fitted on the training rows.

    `weights` of the training rows (n,), or (n, labels), are as `steep.data.batches` gives them.
    Of several models the one with the best primary metric on the validation rows is kept; among
    equals, or where that metric is undefined there, the one with the lowest log loss. Raises
    SteepError if the training texts hold no words.
    """
    texts, labels = train
    vectorizer = _vectorizer(len(texts))
    try:
        features = vectorizer.fit_transform(texts)
    except ValueError as error:  # scikit-learn's only way to say "empty vocabulary"
        raise SteepError(
            f"The tf-idf baseline finds no words in the {len(texts)} training texts: {error}."
        ) from error
    held_out = vectorizer.transform(valid[0])
    best: Tfidf | None = None
    best_merit = (-np.inf, -np.inf)
    for strength, model in _candidates(task, features, np.asarray(labels), seed, weights):
        merit = _merit(task, valid[1], model(held_out))
        if best is None or merit > best_merit:
            best, best_merit = Tfidf(vectorizer, model, strength), merit
    assert best is not None
    return best


def _vectorizer(rows: int) -> TfidfVectorizer:
    """Words of one letter count, too; rare terms are dropped where there are many texts.

    Of scripts without blanks, the terms are characters and their pairs.
    """
    return TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=1 if rows < 2000 else 2,
        max_features=MOST_FEATURES,
        tokenizer=words_in,
        token_pattern=None,
        dtype=np.float32,
    )


def _candidates(
    task: Task, features: spmatrix, labels: np.ndarray, seed: int, weights: np.ndarray | None
) -> Iterator[tuple[float, Predict]]:
    """Models for every strength, from strong regularisation to weak.

    With one label a row, each once more with all classes weighing the same: with few rows a plain
    logistic regression hardly leaves the commonest class (several labels are ranked the same way).
    """
    if task.kind == "regression":
        for alpha in ALPHA_GRID:
            yield alpha, Ridge(alpha=alpha).fit(features, labels, weights).predict
        return
    state = derive(seed, "tfidf") % 2**32
    for c in C_GRID:
        if task.kind == "multi":
            yield c, _one_a_label(features, labels, c, state, weights)
            continue
        for classes in (None, "balanced"):
            model = _logistic(len(np.unique(labels)), c, state).set_params(class_weight=classes)
            yield c, fitted_classifier(model, features, labels, len(task.labels), weights)


def _one_a_label(
    features: spmatrix, labels: np.ndarray, c: float, state: int, weights: np.ndarray | None
) -> Predict:
    """A model for each label, of which all predict: (n, labels)."""
    columns = labels.T > 0.5
    counts = [None] * len(columns) if weights is None else weights.T
    models = [
        fitted_classifier(_logistic(2, c, state), features, column, 2, count)
        for column, count in zip(columns, counts, strict=True)
    ]
    return lambda asked: np.stack([model(asked)[:, 1] for model in models], axis=1)


def _logistic(classes: int, c: float, state: int) -> LogisticRegression:
    solver = "liblinear" if classes == 2 else "lbfgs"
    return LogisticRegression(C=c, solver=solver, max_iter=300, tol=1e-3, random_state=state)


def _merit(task: Task, labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """The primary metric, larger = better, and minus the log loss: few rows make many equals."""
    scores, metric = score(task, labels, probabilities), primary(task)
    signed = {name: v if higher_is_better(name) else -v for name, v in scores.items()}
    return signed.get(metric, -np.inf), signed.get("log_loss", 0.0)


def fitted_classifier(
    model: Any,
    features: Any,
    labels: np.ndarray,
    classes: int,
    weights: np.ndarray | None = None,
) -> Predict:
    """`model`, a scikit-learn classifier, fitted; also where rows of some classes are missing.

    `features` are (n, size), dense or sparse; `labels` (n,) class indices below `classes`;
    `weights` (n,), if any, are those of the rows. A class without rows gets probability 0, an only
    class 1.
    """
    labels = labels.astype(np.int64)
    known = np.unique(labels)
    alone = len(known) == 1
    if not alone:
        given = {} if weights is None else {"sample_weight": weights}
        model = model.fit(features, labels, **given)

    def probabilities(asked: Any) -> np.ndarray:
        found = np.zeros((asked.shape[0], classes))
        found[:, known] = 1.0 if alone else model.predict_proba(asked)
        return found

    return probabilities
