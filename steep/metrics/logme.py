"""How well do frozen features explain labels? LogME: without training, and without held-out rows.

You et al. 2021, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning": the
largest log evidence, a row, of a Bayesian linear model of the labels on the features. Its two
precisions are found by the fixed point of You et al. 2022 ("Ranking and Tuning Pre-trained Models",
section 4.3). Bassignana et al. 2022 found it to rank encoders well in NLP.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from steep.data.corpus import Task

STEPS, CLOSE = 1000, 1e-3  # of the fixed point: at most so many, and until it moves by less
TINY = 1e-5


def logme(features: np.ndarray, targets: np.ndarray) -> float:
    """The mean log evidence, a row, of the columns of `targets`; more is better.

    `features` (n, size), `targets` (n,) or (n, columns): 0/1 of classes or labels, or numbers. A
    column that is the same in all rows says nothing and does not count; NaN where none is left.
    Comparable between encoders on the same rows; less so between features of other sizes.
    """
    columns = targets.reshape(len(targets), -1).T.astype(np.float64)
    columns = columns[np.ptp(columns, axis=1) > 0]
    if not len(columns):
        return float("nan")
    left, singular, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    return float(np.mean([_evidence(left, singular**2, column) for column in columns]))


def label_columns(task: "Task", labels: np.ndarray) -> np.ndarray:
    """Labels of the task, as `Corpus.labels` gives them, as targets of `logme`, float64 (n, any).

    Numbers are standardised, so that their unit and their zero do not matter.
    """
    if task.kind == "single":
        return (labels[:, None] == np.arange(len(task.labels))).astype(np.float64)
    columns = labels.reshape(len(labels), -1).astype(np.float64)
    if task.kind == "multi":
        return columns
    return (columns - columns.mean(axis=0)) / np.maximum(columns.std(axis=0), TINY)


def _evidence(left: np.ndarray, variances: np.ndarray, target: np.ndarray) -> float:
    """The log evidence, a row, of one target, where `left` and `variances` are of F = U S V'.

    With fewer rows than features, the authors' code gives another number: it keeps (size / 2) ln
    alpha beside min(n, size) terms of ln(alpha + beta variance), of which here are as many, and
    ends after 11 steps, too early there.
    """
    rows, rank = left.shape
    along = (left.T @ target) ** 2
    beyond = max(float(target @ target - along.sum()), 0.0)
    alpha = beta = 1.0
    for _ in range(STEPS):
        ratio = alpha / beta
        free = np.sum(variances / (variances + ratio))
        size = np.sum(variances * along / (variances + ratio) ** 2)
        error = np.sum(along / (1 + variances / ratio) ** 2) + beyond
        alpha, beta = free / (size + TINY), (rows - free) / (error + TINY)
        if abs(alpha / beta - ratio) < CLOSE * ratio:
            break
    found = rank * np.log(alpha) + rows * np.log(beta / (2 * np.pi))
    found -= np.sum(np.log(alpha + beta * variances)) + beta * error + alpha * size
    return float(found / 2 / rows)
