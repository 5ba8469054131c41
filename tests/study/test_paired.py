"""Does the interval of a paired gain hold what it promises, and does its plan?"""

import numpy as np
import pytest

from steep.study.paired import Noise, paired_gain


def test_intervals_cover_a_truth_of_seeds_and_rows():
    """Normal studies straight into the statistics: 1,000 with 5 seeds, seeds as noisy as rows."""
    random, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        differences = 0.02 + 0.01 * random.normal() + 0.0224 * random.normal(size=5)
        drawn = differences + 0.01 * random.normal(size=(300, 1))
        found = paired_gain(differences, drawn, 1000, 0.0, random)
        covered += found["low"] <= 0.02 <= found["high"]
    assert 0.92 < covered / 1000 < 0.975


def test_the_minimum_detectable_gain_is_found_in_eight_of_ten():
    random, noise = np.random.default_rng(2), Noise(0.02**2, 0.005**2, 0.0, 1000)
    planted, hits = noise.detectable(5), 0
    for _ in range(1000):
        differences = planted + 0.005 * random.normal() + 0.02 * random.normal(size=5)
        drawn = differences + 0.005 * random.normal(size=(200, 1))
        hits += paired_gain(differences, drawn, 1000, 0.0, random)["low"] > 0
    assert 0.7 < hits / 1000 < 0.9


def test_seeds_as_the_bottleneck():
    random = np.random.default_rng(13)
    differences = np.array([0.05, -0.03, 0.04, -0.02, 0.03])
    found = paired_gain(
        differences, differences + 1e-4 * random.normal(size=(200, 1)), 10**6, 0, random
    )
    noise = Noise(float(differences.var(ddof=1)), 1e-8, 0.0, 10**6)
    assert found["bottleneck"] == "seeds"
    needed = found["seeds_needed"]
    assert noise.detectable(needed) <= found["gain"] * 1.01
    assert noise.detectable(needed - 2) > found["gain"]


def test_flipped_signs_and_the_probability_of_a_gain():
    random = np.random.default_rng(16)
    differences = np.array([0.02, 0.03, 0.025, 0.01, 0.04])
    drawn = differences + 1e-3 * random.normal(size=(300, 1))
    found = paired_gain(differences, drawn, 1000, 0.01, random)
    assert found["p_permutation"] == 2 / 2**5  # all five agree: the least that five seeds can say
    assert 0.9 < found["probability"] < 1
    mirrored = paired_gain(-differences, -drawn, 1000, -0.01, np.random.default_rng(16))
    assert mirrored["probability"] == pytest.approx(1 - found["probability"])
