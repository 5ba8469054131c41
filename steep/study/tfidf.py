"""What does a linear model on word counts reach? The baseline that everyone should see first.

Words and word pairs, tf-idf weighted (sublinear), into a linear model: logistic regression (single
label: softmax; several labels: one a label) or ridge regression. Its regularisation is chosen on
the validation rows, which are used for nothing else. Seconds on a CPU; on long or plentiful text
often hard to beat (Wang & Manning 2012, "Baselines and Bigrams").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import spmatrix
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.metrics.scores import higher_is_better, primary, score
from steep.seeds import derive

C_GRID = (1.0, 4.0, 16.0, 64.0)
ALPHA_GRID = (8.0, 2.0, 0.5, 0.125)
MOST_FEATURES = 100_000


@dataclass(frozen=True)
class Tfidf:
    """A fitted baseline: `strength` is the C (or, for regression, alpha) that was chosen."""

    task: Task
    vectorizer: TfidfVectorizer
    models: tuple[Any, ...]
    strength: float

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities (n, labels) in the order of `task.labels`; predictions (n,) (regression).

        A class that no training row had gets probability 0.
        """
        return _predict(self.task, self.models, self.vectorizer.transform(texts))


def fit_tfidf(
    train_texts: Sequence[str],
    train_labels: np.ndarray,
    valid_texts: Sequence[str],
    valid_labels: np.ndarray,
    task: Task,
    seed: int = 0,
    weights: np.ndarray | None = None,
) -> Tfidf:
    """The baseline fitted on the training rows; labels as in `steep.metrics.scores.score`.

    `weights` of the training rows (n,), or (n, labels), are as `steep.data.weights` gives them.
    Of several strengths the one with the best primary metric on the validation rows is kept (log
    loss where that metric is undefined there); among equals, the strongest regularisation. Raises
    SteepError if the training texts hold no words.
    """
    vectorizer = _vectorizer(len(train_texts))
    try:
        features = vectorizer.fit_transform(train_texts)
    except ValueError as error:  # scikit-learn's only way to say "empty vocabulary"
        raise SteepError(
            f"The tf-idf baseline finds no words in the {len(train_texts)} training texts: {error}."
        ) from error
    held_out = vectorizer.transform(valid_texts)
    best: Tfidf | None = None
    best_merit = -np.inf
    for strength, models in _candidates(task, features, np.asarray(train_labels), seed, weights):
        merit = _merit(task, valid_labels, _predict(task, models, held_out))
        if best is None or merit > best_merit:
            best, best_merit = Tfidf(task, vectorizer, models, strength), merit
    assert best is not None
    return best


def _vectorizer(rows: int) -> TfidfVectorizer:
    """Words of one letter count, too; rare terms are dropped where there are many texts."""
    return TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=1 if rows < 2000 else 2,
        max_features=MOST_FEATURES,
        token_pattern=r"(?u)\b\w+\b",
        dtype=np.float32,
    )


def _candidates(
    task: Task, features: spmatrix, labels: np.ndarray, seed: int, weights: np.ndarray | None
) -> Iterator[tuple[float, tuple[Any, ...]]]:
    """Models for every strength, from strong regularisation to weak."""
    if task.kind == "regression":
        for alpha in ALPHA_GRID:
            yield alpha, (Ridge(alpha=alpha).fit(features, labels, weights),)
        return
    columns = labels.T > 0.5 if task.kind == "multi" else labels[None]
    counts = [None] * len(columns) if weights is None else weights.T.reshape(len(columns), -1)
    for c in C_GRID:
        each = zip(columns, counts, strict=True)
        yield c, tuple(_classifier(features, column, c, seed, count) for column, count in each)


def _classifier(
    features: spmatrix, labels: np.ndarray, c: float, seed: int, weights: np.ndarray | None
) -> Any:
    """Logistic regression, or the one class that there is."""
    classes = len(np.unique(labels))
    if classes == 1:
        return DummyClassifier(strategy="prior").fit(features, labels)
    solver = "liblinear" if classes == 2 else "lbfgs"
    model = LogisticRegression(
        C=c, solver=solver, max_iter=300, tol=1e-3, random_state=derive(seed, "tfidf") % 2**32
    )
    return model.fit(features, labels, weights)


def _predict(task: Task, models: tuple[Any, ...], features: spmatrix) -> np.ndarray:
    if task.kind == "regression":
        return models[0].predict(features)
    if task.kind == "multi":
        return np.stack([_column(model, features) for model in models], axis=1)
    probabilities = np.zeros((features.shape[0], len(task.labels)))
    probabilities[:, models[0].classes_] = models[0].predict_proba(features)
    return probabilities


def _column(model: Any, features: spmatrix) -> np.ndarray:
    """Probability of the label, from the one or two classes that training rows had."""
    return model.predict_proba(features) @ model.classes_.astype(float)


def _merit(task: Task, labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The primary metric, larger = better; minus the log loss where it is undefined."""
    scores, metric = score(task, labels, probabilities), primary(task)
    if metric not in scores:
        return -scores["log_loss"]
    return scores[metric] if higher_is_better(metric) else -scores[metric]
