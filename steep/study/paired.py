"""How large is the gain of one arm over another, and how certain is it? Paired runs, t interval.

Both arms ran with the same k seeds and were tested on the same n rows. Two things are random: the
training (another seed gives another model) and the test (other rows give another score). Where rows
belong together, the test is one of groups: whole groups are drawn, and n counts them. With d_s the
difference of the metric under seed s, and D(rows) the mean of the d_s on some rows:

    gain = mean of d_s      se^2 = se_seeds^2 + se_rows^2
    se_seeds = sd(d_s) / sqrt(k)                 k - 1 degrees of freedom
    se_rows  = sd of D over bootstrap resamples of the rows, the same for both arms and all seeds;
               n - 1 degrees of freedom
    low, high = gain -/+ t(0.975, df) se, df after Welch (1947) and Satterthwaite (1946)

Of few rows (or groups, or positives of an AUC) se_rows^2 is widened, and its degrees of freedom are
theirs (`steep.metrics.weighted`).

The chance that rows dislike one particular run ("interaction", variance I per run) is in both
parts. From five seeds on it is counted once: I / k is taken out of se_rows^2. With fewer, that
would leave hardly any degrees of freedom (with 2 seeds t is 12.7 instead of about 3), so it is
counted twice. That makes up for some of what few seeds get wrong, not for all: where seeds matter
and rows hardly do, two seeds that agree by luck make se_seeds too small, and Welch and
Satterthwaite then trust the rows too much. With two seeds the degrees of freedom are therefore at
most `TWO_SEEDS`, by which a false "yes" is rarer than 5 % in every mixture of rows and seeds
(benchmarks/intervals.py). Use five seeds; two give an impression, no proof. How often answers are
wrong is simulated in benchmarks/verdicts.py; see docs/statistics.md.

The two-level bootstrap (rows and seeds, both drawn with replacement; "pigeonhole", Owen 2007) is
a check only: with k seeds it sees (k - 1) / k of their variance, and interaction twice.

Where several answers were looked for: the headline is adapted against base with the most labels, as
declared before anything is known. Its answers and those at the other label budgets hold after
Holm's weighted correction (Holm 1979, section 3), in which the headline has four fifths of the 5 %
and the other budgets share the rest; what one budget wins is passed on to the others. Any false
answer, "yes" or "no", at any budget then occurs in at most 5 % of studies (simulated:
benchmarks/verdicts.py). What does not hold is kept as a hint. All comparisons of other arms are the
second family; no answer depends on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from steep.metrics.scores import percentiles
from steep.metrics.weighted import Support

CONFIDENCE, POWER = 0.95, 0.8
UNSURE = "cannot tell"
MOST_SEEDS = 200  # beyond that nobody trains more
ENOUGH_SEEDS = 5  # from here on, interaction is counted once
LEAST_DF = 0.1  # of groups so unequal that one of them decides
TWO_SEEDS = 3.0  # degrees of freedom, at most, of two seeds, which agree by luck too often
HEADLINE = 0.8  # of the 5 % for false answers; the other label budgets share the rest
UNKNOWN = (
    *("se_seeds", "se_rows", "df", "p_value", "p_smallest", "probability", "low", "high"),
    *("bootstrap_low", "bootstrap_high", "p_permutation"),
    *("minimum_detectable", "seeds_needed", "bottleneck"),
)
"""What stays None where it cannot be computed."""


@dataclass(frozen=True)
class Noise:
    """Variances of the parts of a mean difference, and how they would be with other seeds.

    `seeds` is the variance of the per-seed differences; `rows` what the choice of test rows does
    to all seeds alike; `interaction` what it does to each seed on its own. `units` are the rows, or
    groups of them, that the latter two are known from.
    """

    seeds: float
    rows: float
    interaction: float
    units: float

    @classmethod
    def of(cls, differences: np.ndarray, drawn: np.ndarray, rests_on: Support) -> "Noise":
        """From the differences (k,) and their values on resamples of the rows (resamples, k)."""
        k, wide = len(differences), rests_on.widening
        mean, single = wide * drawn.mean(axis=1).var(), wide * drawn.var(axis=0).mean()
        interaction = np.clip((single - mean) * k / (k - 1), 0, k * mean)
        rows = max(0.0, mean - interaction / k)
        return cls(float(differences.var(ddof=1)), float(rows), float(interaction), rests_on.df + 1)

    def error(self, k: int | np.ndarray) -> tuple[Any, Any, Any]:
        """Standard error of seeds, of rows, and the degrees of freedom of both with k seeds.

        No degrees of freedom (NaN) where nothing varies.
        """
        twice = np.where(np.less(k, ENOUGH_SEEDS), self.interaction / k, 0.0)
        seeds, rows = self.seeds / k, self.rows + twice
        doubt = seeds**2 / (k - 1) + rows**2 / max(self.units - 1, LEAST_DF)
        with np.errstate(invalid="ignore"):
            df = (seeds + rows) ** 2 / doubt
        return seeds**0.5, rows**0.5, np.where(np.equal(k, 2), np.minimum(df, TWO_SEEDS), df)

    def detectable(self, k: int | np.ndarray) -> Any:
        """How far beyond the smallest effect a gain must be for k seeds to find it in 8 of 10."""
        seeds, rows, df = self.error(k)
        far = stats.t.ppf(0.5 + CONFIDENCE / 2, df) + stats.t.ppf(POWER, df)
        return far * np.hypot(seeds, rows)


def paired_gain(
    differences: np.ndarray,
    drawn: np.ndarray,
    rests_on: Support,
    smallest_effect: float,
    stream: np.random.Generator,
) -> dict[str, Any]:
    """The gain with its uncertainty, as plain JSON; None for what cannot be known.

    differences: (k,) by seed, positive = better. drawn: (resamples, k), the same on resamples of
    the test rows. `p_value` is that of no gain at all, `p_smallest` that of a gain of just
    `smallest_effect` (both two-sided; the latter is below 5 % where the interval leaves that gain
    out). `minimum_detectable` is the gain that this many seeds and rows find in 8 of 10 studies;
    `seeds_needed` the number of seeds that would find the observed gain as often, None if no
    number up to 200 would, or if it is not above `smallest_effect`: what is not worth it needs no
    finding; `bottleneck` is "rows" where no number at all would. `probability` is
    that of a gain above `smallest_effect`, from the same t distribution (a flat prior).
    `p_permutation` flips the signs of the differences in every way (exact up to 13 seeds): it
    knows the seeds only, and with k seeds it is never below 2 / 2^k. With one seed, where nothing
    varies, or where the rows are of one group, no interval can be computed.
    """
    k, gain = len(differences), float(differences.mean())
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    result: dict[str, Any] = {"gain": gain} | dict.fromkeys(UNKNOWN)
    result["differences"] = differences.tolist()
    if len(drawn) < 2 or rests_on.df <= 0:
        return result
    result["se_rows"] = float(drawn.mean(axis=1).std())
    if k == 1:
        return result
    noise = Noise.of(differences, drawn, rests_on)
    if not any(noise.error(k)[:2]):
        return result
    result |= _interval(gain, noise, k, smallest_effect) | _check(differences, drawn, stream)
    return result | _plan(gain - smallest_effect, noise, k, smallest_effect)


def _interval(gain: float, noise: Noise, k: int, smallest_effect: float) -> dict[str, float]:
    seeds, rows, df = noise.error(k)
    error = float(np.hypot(seeds, rows))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, df)) * error
    return {
        "low": gain - half,
        "high": gain + half,
        "se_seeds": float(seeds),
        "se_rows": float(rows),
        "df": float(df),
        "p_value": float(2 * stats.t.sf(abs(gain) / error, df)),
        "p_smallest": float(2 * stats.t.sf(abs(gain - smallest_effect) / error, df)),
        "probability": float(stats.t.sf((smallest_effect - gain) / error, df)),
    }


def _check(
    differences: np.ndarray, drawn: np.ndarray, stream: np.random.Generator
) -> dict[str, float]:
    """What needs no normal distribution: the two-level bootstrap, and flipped signs.

    The bootstrap takes, on each resample of the rows, the mean over resampled seeds.
    """
    seeds = stream.integers(0, drawn.shape[1], drawn.shape)
    low, high = percentiles(np.take_along_axis(drawn, seeds, axis=1).mean(axis=1), CONFIDENCE)
    flipped = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", vectorized=True, rng=stream
    )
    p = float(flipped.pvalue)
    return {"bootstrap_low": low, "bootstrap_high": high, "p_permutation": p}


def _plan(distance: float, noise: Noise, k: int, smallest_effect: float) -> dict[str, Any]:
    """What this study could have found, and how many seeds would find what it saw."""
    endless = stats.norm.ppf([0.5 + CONFIDENCE / 2, POWER]).sum() * noise.rows**0.5
    numbers_of_seeds = np.arange(k, max(k, MOST_SEEDS) + 1)
    enough = numbers_of_seeds[noise.detectable(numbers_of_seeds) <= distance]  # none below 0
    return {
        "minimum_detectable": smallest_effect + float(noise.detectable(k)),
        "seeds_needed": int(enough[0]) if len(enough) else None,
        "bottleneck": "rows" if endless >= abs(distance) else "seeds",
    }


def correct_for_budgets(budgets: list[dict[str, Any]]) -> None:
    """Fills in `p_holm` of all comparisons, and withdraws the answers that do not hold.

    `budgets` are the parts of a verdict, from few labels to many; the last is the headline's. An
    answer that was withdrawn is the part's `hint` (None elsewhere).
    """
    everything = [comparison for part in budgets for comparison in part["comparisons"]]
    _correct([comparison for comparison in everything if not comparison["main"]], "p_value")
    mains = [next((c for c in part["comparisons"] if c["main"]), None) for part in budgets]
    others = [(1 - HEADLINE) / max(1, len(budgets) - 1)] * (len(budgets) - 1)
    found = [main for main in mains if main]
    shares = [s for s, main in zip([*others, HEADLINE], mains, strict=True) if main]
    _correct(found, "p_smallest", shares)
    if len(budgets) == 1 and found:
        found[0]["p_holm"] = None  # nothing to correct for
    for part, main in zip(budgets, mains, strict=True):
        part["hint"] = None
        if len(budgets) == 1:
            continue
        if part["answer"] != UNSURE and main and main["p_holm"] > 1 - CONFIDENCE:
            part["hint"], part["answer"] = part["answer"], UNSURE


def _correct(
    family: list[dict[str, Any]], name: str, shares: Sequence[float] | None = None
) -> None:
    corrected = holm([comparison[name] for comparison in family], shares)
    for comparison, p in zip(family, corrected, strict=True):
        comparison["p_holm"] = p


def holm(
    p_values: Sequence[float | None], shares: Sequence[float] | None = None
) -> list[float | None]:
    """p values corrected for their number; None stays None, and is not counted.

    `shares` says how much of the error each may make, to begin with; by default all alike. Source:
    Holm 1979, "A simple sequentially rejective multiple test procedure", sections 2 and 3.
    """
    weights = shares or [1.0] * len(p_values)
    known = sorted(
        (p / weight, p, weight, place)
        for place, (p, weight) in enumerate(zip(p_values, weights, strict=True))
        if p is not None
    )
    corrected: list[float | None] = [None] * len(p_values)
    left, highest = sum(weight for _, _, weight, _ in known), 0.0
    for ratio, _, weight, place in known:
        highest = max(highest, min(1.0, ratio * left))
        corrected[place] = highest
        left -= weight
    return corrected
