"""How much would a metric change with other test rows? Percentile bootstrap over rows.

Rows are drawn with replacement (Efron & Tibshirani 1993, chapter 13). The interval says how far
the value could be off because these rows, and not others, were in the test; it says nothing about
another training seed. With very few rows, or at the edge of the scale (every row right), it is too
narrow: 20 right of 20 gives 1 to 1.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from steep.data.corpus import Task
from steep.metrics.scores import metric_names, metrics
from steep.seeds import numbers

_CELLS = 1_500_000  # resamples x rows computed at once: some tens of megabytes


def intervals(
    task: Task, labels: np.ndarray, probabilities: np.ndarray, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Lower and upper end of the 95 % interval of every metric; arrays and errors as in `score`.

    Resamples in which a metric is undefined (no row of a class drawn, say) do not count for it.
    """
    (values,) = resampled(task, labels, [probabilities], resamples=resamples, seed=seed)
    defined = {name: drawn[np.isfinite(drawn)] for name, drawn in values.items()}
    return {n: percentiles(drawn) for n, drawn in defined.items() if len(drawn)}


def percentiles(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The range that holds the middle `confidence` of the values."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def resampled(
    task: Task,
    labels: np.ndarray,
    outputs: Sequence[np.ndarray],
    names: tuple[str, ...] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> list[dict[str, np.ndarray]]:
    """Metrics `names` (default: all) of each of the outputs on each resample, NaN where undefined.

    `outputs` are probabilities or predictions of several models, each as in `score`; every array
    that is returned is float64 (resamples,). The same rows are drawn for all of them, and for the
    same seed and number of rows, so that values of two models on one test set are paired.
    """
    wanted = names or metric_names(task)
    models = [metrics(task, labels, probabilities) for probabilities in outputs]
    parts: list[dict[str, list[np.ndarray]]] = [{name: [] for name in wanted} for _ in models]
    for weights in _weights(len(labels), resamples, seed):
        for every, part in zip(models, parts, strict=True):
            for name in wanted:
                part[name].append(every[name](weights))
    return [{name: np.concatenate(drawn) for name, drawn in part.items()} for part in parts]


def _weights(rows: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each row is drawn: float32 (some, rows) at a time, `resamples` in all."""
    stream = numbers(seed, "bootstrap")
    size = max(1, _CELLS // rows)
    for start in range(0, resamples, size):
        some = min(size, resamples - start)
        cells = stream.integers(0, rows, (some, rows)) + rows * np.arange(some)[:, None]
        counts = np.bincount(cells.ravel(), minlength=some * rows)
        yield counts.reshape(some, rows).astype(np.float32)
