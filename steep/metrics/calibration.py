"""What do probabilities say, and is what has 0.8 true in 8 of 10 rows? Decisions; calibration.

Guo, Pleiss, Sun & Weinberger 2017, "On Calibration of Modern Neural Networks".
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from steep.metrics.weighted import THOUSAND, Draws
from steep.wording import some

if TYPE_CHECKING:
    from steep.data.corpus import Task

BINS = 15
SCARCE = 10  # with fewer validation rows of either kind, what suits best is down to chance
_NEAR = 6e-8  # of 0 and 1 (the precision of fp32), so that logits stay finite
_RANGE = (0.05, 20.0)


@dataclass(frozen=True)
class Decisions:
    """`temperatures` (one, or one per label) and `thresholds` (on what they give); () for none."""

    temperatures: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.temperatures or self.thresholds)

    def probabilities(self, task: "Task", raw: np.ndarray) -> np.ndarray:
        """What the model says, calibrated."""
        return calibrated(task, raw, self.temperatures)

    def task(self, task: "Task") -> "Task":
        """The task, decided by these thresholds."""
        return replace(task, thresholds=self.thresholds)

    def as_json(self, task: "Task") -> dict[str, Any]:
        """By label name where there are several; the threshold of two classes by the second."""
        names = task.labels if task.kind == "multi" else task.labels[1:]
        several = len(self.temperatures) > 1
        return {
            "temperatures": dict(zip(task.labels, self.temperatures, strict=True))
            if several
            else next(iter(self.temperatures), None),
            "thresholds": dict(zip(names, self.thresholds, strict=True))
            if self.thresholds
            else None,
        }


def decide(task: "Task", probabilities: np.ndarray) -> np.ndarray:
    """Labels bool (n, L) (multi) or class indices int64 (n,) (single), by the task's thresholds.

    Without thresholds: probability 1/2 or more (multi), the most probable class (single).
    """
    if task.kind == "multi":
        return probabilities >= np.array(task.thresholds or 0.5)
    if task.thresholds:
        return (probabilities[:, 1] >= task.thresholds[0]).astype(np.int64)
    return probabilities.argmax(axis=1)


def confidence(task: "Task", probabilities: np.ndarray) -> np.ndarray:
    """The probability that the model gives to its own decision, float64 (n,).

    Several labels: the product over the labels, as if they were independent.
    """
    decided = decide(task, probabilities)
    if task.kind == "single":
        return probabilities[np.arange(len(decided)), decided].astype(np.float64)
    return np.where(decided, probabilities, 1.0 - probabilities).prod(axis=1, dtype=np.float64)


@dataclass(frozen=True)
class Cells:
    """The probabilities promised and what is true, in columns: one (single) or one a label (multi).

    `places` int64 (n, columns) are bins of equal width, `promised` float64, `true` bool.
    """

    places: np.ndarray
    promised: np.ndarray
    true: np.ndarray

    def error(self, weights: np.ndarray) -> float:
        """Expected calibration error of rows that count `weights` times, the mean over columns."""
        columns = self.places.shape[1]
        gaps = (self.promised - self.true) * weights[:, None]
        places = self.places + BINS * np.arange(columns)
        total = np.bincount(places.ravel(), gaps.ravel(), minlength=BINS * columns)
        return float(np.abs(total).sum() / columns / weights.sum())

    def reliability(self) -> list[dict[str, float]]:
        """For each bin with cells, of all columns: {"cells", "promised", "true"}."""
        bins = [self.places == place for place in np.unique(self.places)]
        return [
            {
                "cells": int(inside.sum()),
                "promised": round(float(self.promised[inside].mean()), 4),
                "true": round(float(self.true[inside].mean()), 4),
            }
            for inside in bins
        ]


def cells(task: "Task", labels: np.ndarray, probabilities: np.ndarray) -> Cells:
    """Of each row the most probable class (single), or the probability of each label (multi).

    Arrays as in `scores.score`.
    """
    labels, promised = np.asarray(labels), np.asarray(probabilities, np.float64)
    true = labels > 0.5
    if task.kind == "single":
        true = (promised.argmax(axis=1) == labels)[:, None]
        promised = promised.max(axis=1, keepdims=True)
    return Cells(np.minimum((promised * BINS).astype(int), BINS - 1), promised, true)


def ece(task: "Task", labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error (Guo 2017, equation 3); of several labels, their mean."""
    return cells(task, labels, probabilities).error(np.ones(len(labels)))


def calibration(
    task: "Task",
    labels: np.ndarray,
    probabilities: np.ndarray,
    draws: Draws = THOUSAND,
) -> dict[str, Any] | None:
    """{"ece", "low", "high", "bins", "reliability"}; None for regression. Arrays as in `score`.

    The interval is the basic bootstrap's (Davison & Hinkley 1997, section 5.2), not the percentile
    one: noise in a bin only ever adds to an absolute value, in resamples once more, and this
    interval subtracts it again. With few rows it can therefore end below the value itself.
    """
    if task.kind == "regression":
        return None
    found = cells(task, labels, probabilities)
    value = found.error(np.ones(len(labels)))
    known = {"ece": value, "bins": BINS, "reliability": found.reliability()}
    if not draws.vary:
        return known | {"low": None, "high": None}
    every = draws.weights(len(labels), "calibration")
    drawn = [found.error(weights) for together in every for weights in together]
    low, high = np.quantile(drawn, [0.025, 0.975])
    ends = {"low": max(0.0, float(2 * value - high)), "high": max(0.0, float(2 * value - low))}
    return known | ends


def fit_temperatures(
    task: "Task", labels: np.ndarray, probabilities: np.ndarray
) -> tuple[tuple[float, ...], list[str]]:
    """The temperatures that make validation rows most likely (Guo 2017, section 4.2); and notes.

    Single-label: one. Multi-label: one per label; labels that fewer than `SCARCE` rows have, or
    lack, share one that is fitted on the cells of all labels, and a note counts them.
    """
    logits = to_logits(task, probabilities)
    if task.kind == "single":
        return (_fit(lambda t: _log_loss(logits / t, labels)),), []
    truth = labels > 0.5
    shared = _fit(lambda t: _binary_log_loss(logits / t, truth))
    rarer = np.minimum(truth.sum(axis=0), (~truth).sum(axis=0))
    temperatures = [
        _fit(lambda t, i=i: _binary_log_loss(logits[:, i] / t, truth[:, i]))  # type: ignore[misc]
        if rarer[i] >= SCARCE
        else shared
        for i in range(truth.shape[1])
    ]
    scarce = [f"{n} {c}" for n, c in zip(task.labels, rarer, strict=True) if c < SCARCE]
    note = (
        f"these labels share a temperature, fitted on all labels, because fewer than {SCARCE} "
        f"validation rows have them, or lack them: {some(scarce)}"
    )
    return tuple(temperatures), [note] if scarce else []


def calibrated(
    task: "Task", probabilities: np.ndarray, temperatures: tuple[float, ...]
) -> np.ndarray:
    """Probabilities whose logits are divided by the temperatures; as given if these are ()."""
    if not temperatures:
        return probabilities
    logits = to_logits(task, probabilities) / np.array(temperatures)
    if task.kind == "multi":
        return 1 / (1 + np.exp(-logits))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def to_logits(task: "Task", probabilities: np.ndarray) -> np.ndarray:
    """Logits (n, L) that have these probabilities (single-label: up to a constant a row)."""
    p = np.clip(probabilities.astype(np.float64), _NEAR, 1 - _NEAR)
    return np.log(p) - np.log1p(-p) if task.kind == "multi" else np.log(p)


def _fit(loss: Callable[[float], float]) -> float:
    """The temperature of least loss, which is convex in its inverse."""
    from scipy.optimize import minimize_scalar

    low, high = np.log(_RANGE)
    found = minimize_scalar(lambda x: loss(float(np.exp(x))), bounds=(low, high), method="bounded")
    return float(np.exp(found.x))


def _log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    highest = logits.max(axis=1)
    total = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    return float((total - logits[np.arange(len(labels)), labels]).mean())


def _binary_log_loss(logits: np.ndarray, truth: np.ndarray) -> float:
    return float(np.logaddexp(0, np.where(truth, -logits, logits)).mean())
