"""The verdict: false alarms are rare, planted effects found, nothing dropped in silence."""

import json

import numpy as np
import pytest
from scipy import stats

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.study.verdict import CellResult, Question, verdict
from steep.study.verdict_words import in_words

TASK, REGRESSION = Task("single", ("a", "b")), Task("regression", ("stars",))
ROWS = 150
ONES = np.ones(ROWS, int)


def cell(arm: str, seed: int, right: np.ndarray, seconds: float = 10.0) -> CellResult:
    """A run that is right (label 1) on the rows `right`."""
    return CellResult(arm, seed, seconds, np.where(right[:, None], [0.1, 0.9], [0.9, 0.1]))


def study(random, seeds=3, gain=0.0, seed_sd=0.03, rows=ROWS) -> list[CellResult]:
    """Rows differ in difficulty, runs in skill, seeds affect both arms alike in part."""
    hard, cells = 0.8 * random.normal(size=rows), []
    for seed in range(seeds):
        shared = random.normal()
        for arm in ("base", "adapted"):
            skill = 0.75 + gain * (arm == "adapted") + seed_sd * (shared + random.normal()) / 2**0.5
            noise = 0.6 * random.normal(size=rows)
            cells.append(cell(arm, seed, hard + noise < stats.norm.ppf(np.clip(skill, 0.01, 0.99))))
    return cells


def judge(cells, **options):
    question = Question("accuracy", **options)
    return verdict(TASK, np.ones(len(cells[0].probabilities), int), cells, question, 60)


@pytest.mark.parametrize("seeds", [3, 5])
def test_without_an_effect_yes_is_rare(seeds, monkeypatch):
    """Nominal: 2.5 %; at worst near 4 % with 3 seeds."""
    monkeypatch.setattr("steep.study.verdict.RESAMPLES", 200)  # for speed
    random = np.random.default_rng(seeds)
    answers = [judge(study(random, seeds))["answer"] for _ in range(200)]
    assert stats.binomtest(answers.count("yes"), 200, 0.05, "greater").pvalue > 0.01


def test_a_planted_effect_is_found(monkeypatch):
    monkeypatch.setattr("steep.study.verdict.RESAMPLES", 200)  # for speed
    random = np.random.default_rng(1)
    found = [judge(study(random, 5, 0.12, 0.01, 600))["answer"] for _ in range(10)]
    lost = [judge(study(random, 5, -0.12, 0.01, 600)) for _ in range(10)]
    assert found.count("yes") >= 9
    assert [v["answer"] for v in lost].count("no") >= 9
    assert lost[0]["sentence"].startswith("No, it does harm: step 2 changed accuracy by -")


def test_what_a_seed_does_to_both_arms_does_not_matter():
    """Rows 0-59 are won or lost by the seed in both arms; the difference never sees them."""
    random = np.random.default_rng(3)
    arms = {(s, a): random.random(ROWS) < 0.8 for s in range(4) for a in ("base", "adapted")}
    plain, offset = [], []
    for (seed, arm), right in arms.items():
        same = np.arange(ROWS) < 60
        plain.append(cell(arm, seed, np.where(same, True, right)))
        offset.append(cell(arm, seed, np.where(same, seed % 2 == 0, right)))
    first, second = judge(plain), judge(offset)
    assert first["arms"]["base"]["values"] != second["arms"]["base"]["values"]
    for key, value in first["comparisons"][0].items():
        assert second["comparisons"][0][key] == pytest.approx(value), key


def test_order_of_cells_and_rows():
    cells = study(np.random.default_rng(4), 4, 0.05)
    straight = judge(cells)
    turned = judge(cells[::-1])
    assert turned["comparisons"] == straight["comparisons"]
    order = np.random.default_rng(0).permutation(ROWS)
    mixed = judge([CellResult(c.arm, c.seed, 1, c.probabilities[order]) for c in cells])
    for key in ("gain", "se_seeds", "differences"):
        assert mixed["comparisons"][0][key] == straight["comparisons"][0][key]
    se = straight["comparisons"][0]["se_rows"]
    assert mixed["comparisons"][0]["se_rows"] == pytest.approx(se, rel=0.15)  # other resamples


def test_mirrored_arms_give_mirrored_intervals():
    cells = study(np.random.default_rng(5), 4, 0.05)
    swap = {"base": "adapted", "adapted": "base"}
    mirrored = [CellResult(swap[c.arm], c.seed, 1, c.probabilities) for c in cells]
    one, other = (judge(c)["comparisons"][0] for c in (cells, mirrored))
    assert one["gain"] == -other["gain"]
    for low, high in (("low", "high"), ("bootstrap_low", "bootstrap_high")):
        assert (one[low], one[high]) == pytest.approx((-other[high], -other[low]))


def test_rows_error_is_that_of_a_mean_of_paired_differences():
    cells = study(np.random.default_rng(6), 3, rows=400)
    right = {(c.arm, c.seed): c.probabilities[:, 1] > 0.5 for c in cells}
    mean = np.mean([right["adapted", s] * 1.0 - right["base", s] for s in range(3)], axis=0)
    assert judge(cells)["comparisons"][0]["se_rows"] == pytest.approx(mean.std() / 20, rel=0.1)


def test_lower_rmse_is_a_gain():
    random = np.random.default_rng(7)
    truth = random.normal(size=400)
    cells = [
        CellResult(arm, seed, 1, truth + spread * random.normal(size=400))
        for seed in range(5)
        for arm, spread in (("base", 1.0), ("adapted", 0.5))
    ]
    found = verdict(REGRESSION, truth, cells, Question("rmse"), 1)
    assert found["answer"] == "yes"
    assert found["higher_is_better"] is False
    assert found["comparisons"][0]["gain"] == pytest.approx(0.5, abs=0.1)
    assert "changed rmse by +0." in found["sentence"] and "lower" in found["sentence"]


def test_smallest_effect():
    cells = study(np.random.default_rng(8), 5, 0.15, 0.01, 1000)
    low, high = (judge(cells)["comparisons"][0][end] for end in ("low", "high"))
    assert judge(cells, smallest_effect=low - 0.001)["answer"] == "yes"
    assert judge(cells, smallest_effect=low + 0.001)["answer"] == "cannot tell"
    too_little = judge(cells, smallest_effect=high + 0.001)
    assert too_little["answer"] == "no"
    assert too_little["sentence"].startswith("No, the gain is below ")


def test_one_seed_never_tells():
    found = judge(study(np.random.default_rng(9), 1, 0.2, rows=2000))
    assert found["answer"] == "cannot tell"
    assert "one seed" in found["sentence"]
    assert found["comparisons"][0]["low"] is None


def test_diverged_cells_are_named_and_leave_with_their_pair():
    cells = study(np.random.default_rng(10), 5)
    cells[0] = CellResult("base", 0, 1, np.full((ROWS, 2), np.nan))
    cells[3] = CellResult("adapted", 1, 1, np.zeros((0, 2)), diverged=True)
    found = judge(cells)
    assert found["comparisons"][0]["seeds"] == [2, 3, 4]
    assert [w[:24] for w in found["warnings"][:2]] == [
        "Arm 'base', seed 0: the ",
        "Arm 'adapted', seed 1: t",
    ]
    assert found["arms"]["adapted"]["seeds"] == [0, 2, 3, 4]
    json.dumps(found, allow_nan=False)


def test_nothing_usable():
    cells = [CellResult(a, 0, 1, np.zeros((ROWS, 2)), True) for a in ("base", "adapted", "tfidf")]
    found = json.loads(json.dumps(judge(cells), allow_nan=False))
    assert found["answer"] == "cannot tell"
    assert found["comparisons"] == []
    assert len(found["warnings"]) == 3


def test_an_undefined_metric_is_named():
    cells = study(np.random.default_rng(11))
    found = verdict(TASK, ONES, cells, Question("auc"), 1)
    assert found["answer"] == "cannot tell"
    assert "auc is undefined" in found["warnings"][0]


def test_arms_that_predict_alike_tell_nothing():
    right = np.arange(ROWS) % 4 > 0
    cells = [cell(arm, seed, right) for arm in ("base", "adapted") for seed in range(5)]
    found = judge(cells)
    assert found["answer"] == "cannot tell"
    assert "nothing varies" in found["sentence"]


def test_rows_as_the_bottleneck():
    """Every seed agrees, the rows do not: no number of seeds helps."""
    random = np.random.default_rng(12)
    base, adapted = (random.random(ROWS) < p for p in (0.7, 0.74))
    cells = [cell("base", s, base) for s in range(5)] + [
        cell("adapted", s, adapted) for s in range(5)
    ]
    found = judge(cells)
    assert found["answer"] == "cannot tell"
    comparison = found["comparisons"][0]
    assert (comparison["seeds_needed"], comparison["bottleneck"]) == (None, "rows")
    assert "More seeds will not settle this; more test rows might" in found["paragraph"]


def test_arms_costs_and_sentences():
    random = np.random.default_rng(14)
    cells = study(random, 2) + [cell("tfidf", s, random.random(ROWS) < 0.5, 1) for s in range(2)]
    found = json.loads(json.dumps(judge(cells), allow_nan=False))
    assert [(c["arm"], c["against"]) for c in found["comparisons"]] == [
        ("adapted", "base"),
        ("tfidf", "base"),
    ]
    share = 100 * found["comparisons"][0]["probability"]
    assert f"The probability that step 2 brings any gain is {share:.3g} %." in found["paragraph"]
    assert found["cost"] == {"step2_seconds": 60, "fit_seconds": 10, "ratio": 6}
    assert found["sentence"].endswith("2 seeds).")
    assert "6.0 times as long as one fine-tuning" in found["paragraph"]
    assert "'tfidf' reached" in found["paragraph"]
    assert any("Only 2 seeds" in warning for warning in found["warnings"])


def budgets(random, base=(0.6, 0.7, 0.8), adapted=(0.7, 0.75, 0.85)) -> list[CellResult]:
    """Three label budgets with planted shares of right rows, hardly any noise of seeds."""
    cells = []
    for labels, *skills in zip((100, 200, 400), base, adapted, strict=True):
        for arm, skill in zip(("base", "adapted"), skills, strict=True):
            for seed in range(5):
                right = np.arange(1000) < 1000 * skill + random.integers(-9, 10)
                one = cell(arm, seed, right)
                cells.append(CellResult(arm, seed, 1, one.probabilities, labels=labels))
    return cells


def test_label_budgets_have_their_own_answers_and_the_largest_decides():
    cells = budgets(np.random.default_rng(17), adapted=(0.7, 0.75, 0.8))
    found = json.loads(json.dumps(judge(cells), allow_nan=False))
    assert [part["labels"] for part in found["budgets"]] == [100, 200, 400]
    assert [part["answer"] for part in found["budgets"]] == ["yes", "yes", "cannot tell"]
    assert found["answer"] == "cannot tell" and found["labels"] == 400
    alone = judge([c for c in cells if c.labels == 200])
    (main,), (among,) = alone["comparisons"], found["budgets"][1]["comparisons"]
    assert main | {"p_holm": among["p_holm"]} == among
    assert "With 200 labels the gain was +4" in found["paragraph"]
    assert "yes, also after correction for 3 budgets" in found["paragraph"]


def test_a_smaller_budget_without_a_run_of_an_arm_has_no_answer():
    """All of them may have failed; after hours of training this must not end in a traceback."""
    cells = budgets(np.random.default_rng(17))
    found = judge([c for c in cells if (c.arm, c.labels) != ("adapted", 100)])
    assert [part["answer"] for part in found["budgets"]] == ["cannot tell", "yes", "yes"]
    assert found["budgets"][0]["comparisons"] == []
    assert found["answer"] == "yes"


def test_what_step_2_is_worth_in_labels():
    found = judge(budgets(np.random.default_rng(18)))
    few, some, many = found["worth_labels"]
    assert few["at"] == 100 and few["labels"] == pytest.approx(100, abs=15)  # as base with 200
    assert some["labels"] == pytest.approx(200 * 2**0.5 - 200, abs=20)
    assert (many["labels"], many["beyond"]) == (None, 400)
    assert "step 2 at 100 labels is worth about" in found["paragraph"]
    falling = judge(budgets(np.random.default_rng(19), base=(0.7, 0.6, 0.8)))
    assert falling["worth_labels"] == []


def test_an_arm_of_equal_compute_is_compared_with_step_2():
    random = np.random.default_rng(20)
    cells = study(random, 4, 0.1)
    cells += [CellResult("longer", c.seed, 1, c.probabilities) for c in cells if c.arm == "base"]
    found = judge(cells, rivals=("longer", "features"))
    assert [(c["arm"], c["against"]) for c in found["comparisons"]] == [
        ("adapted", "base"),
        ("adapted", "longer"),
        ("longer", "base"),
    ]
    main, rival, none = found["comparisons"]
    assert rival["gain"] == main["gain"] and main["p_holm"] is None
    assert rival["p_holm"] == rival["p_value"]  # of two, one without a p value: nothing varies
    assert none["p_value"] is None
    assert "Against 'longer' the gain is" in found["paragraph"]


def test_what_would_settle_it():
    cells = study(np.random.default_rng(21), 5, 0.03)
    found = judge(cells)
    assert found["answer"] == "cannot tell"
    main, unsaid = found["comparisons"][0], found.keys() - {"sentence", "paragraph"}
    for seeds, bottleneck, told in (
        (6, "seeds", "About 1 more seed would be needed to confirm the difference seen here."),
        (9, "rows", "About 4 more seeds would be needed to confirm the difference seen here."),
        (None, "rows", "More seeds will not settle this; more test rows might."),
        (None, "seeds", "More seeds will not settle this: the difference seen here is too small"),
    ):
        main |= {"seeds_needed": seeds, "bottleneck": bottleneck}
        assert told in in_words({key: found[key] for key in unsaid})["paragraph"]


def test_mistakes():
    cells = study(np.random.default_rng(15))
    with pytest.raises(SteepError, match="no metric 'rmse'"):
        verdict(TASK, ONES, cells, Question("rmse"), 1)
    with pytest.raises(SteepError, match="two cells of arm 'base' with seed 0"):
        judge([*cells, cells[0]])
    with pytest.raises(SteepError, match="this study has base"):
        judge(cells[:1])
    with pytest.raises(SteepError, match="0 or more"):
        judge(cells, smallest_effect=-1)


def test_the_best_of_word_counts_base_and_adapted_is_named():
    cells = [cell(arm, 0, np.arange(ROWS) < right) for arm, right in
             (("tfidf", 120), ("base", 90), ("adapted", 105))]  # fmt: skip
    found = judge(cells)
    said = "Best on the test rows: word counts (mean accuracy 0.8; adapted 0.7 and base 0.6)."
    assert found["best"] == said
    assert found["paragraph"].startswith(f"{found['sentence']} {said}")
    assert judge(cells[1:])["best"] == ""


def test_rows_that_belong_together_count_as_groups():
    """20 documents of 50 rows; what step 2 does differs from one to the next, not with the seed."""
    random, groups = np.random.default_rng(30), np.repeat(np.arange(20), 50)
    hard = 0.7 * random.normal(size=1000) + 0.5 * random.normal(size=(2, 20))[:, groups]
    cells = [
        cell(arm, seed, rows + 0.5 * random.normal(size=1000) < 0.8)
        for arm, rows in zip(("base", "adapted"), hard, strict=True)
        for seed in range(5)
    ]
    ones = np.ones(1000, int)
    plain = verdict(TASK, ones, cells, Question("accuracy"), 1)
    found = verdict(TASK, ones, cells, Question("accuracy"), 1, groups)
    (alone,), (main,) = plain["comparisons"], found["comparisons"]
    assert main["gain"] == alone["gain"] and main["se_rows"] > 2 * alone["se_rows"]
    assert main["df"] < 40 and main["minimum_detectable"] > 1.5 * alone["minimum_detectable"]
    assert found["groups"] == 20 and found["rests_on"]["count"] == pytest.approx(20)
    assert "On 1,000 test rows in 20 groups" in found["paragraph"]
    single = verdict(TASK, ones, cells, Question("accuracy"), 1, np.arange(1000))
    for end in ("low", "high", "bootstrap_low"):
        assert single["comparisons"][0][end] == pytest.approx(alone[end], rel=1e-3)


def test_few_groups_and_few_positives_are_warned_of_not_rows():
    random = np.random.default_rng(31)
    cells = study(random, 5, rows=800)
    ones, groups = np.ones(800, int), np.repeat(np.arange(8), 100)
    found = verdict(TASK, ones, cells, Question("accuracy"), 1, groups)
    assert any("rests on only 8 groups of rows" in warning for warning in found["warnings"])
    labels = (np.arange(800) < 6).astype(int)
    found = verdict(TASK, labels, cells, Question("auc"), 1)
    assert any("only 6 test rows of the rarer class" in warning for warning in found["warnings"])
    assert found["comparisons"][0]["df"] < 20
    one = verdict(TASK, ones, cells, Question("accuracy"), 1, np.zeros(800, int))
    assert one["answer"] == "cannot tell" and "only one of the groups" in one["sentence"]
