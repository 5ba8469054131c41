"""Was step 2 worth it? The page of a study: the verdict, then everything it rests on."""

import math
from typing import Any

import numpy as np
import pandas as pd

from steep.reports import charts
from steep.reports.blocks import Block, Page, Section, present
from steep.reports.folder import StudyFolder
from steep.reports.groups_section import groups_section
from steep.reports.mistakes import (
    Votes,
    changed_by_step2,
    votes_of,
    worst_mistakes,
)
from steep.reports.pictures import confusion_blocks, confusion_counts
from steep.reports.run_page import learning_panels, loss_curves, masked_loss_blocks
from steep.reports.study_sections import (
    certainty_section,
    cost_section,
    gains_table,
    label_curve_section,
    results_by_arm,
)
from steep.run_shapes import NOT_VALID
from steep.wording import capital, counted, listed, plain

PAIR = ("base", "adapted")


def study_page(study: StudyFolder, texts: bool) -> Page:
    """The page of a study, finished or not; `texts` shows texts of the data."""
    verdict = study.verdict or _unfinished(study)
    return Page(
        question="Was step 2 worth it?",
        answer=capital(verdict["answer"]),
        sentence=verdict["sentence"],
        paragraph=verdict.get("paragraph", "").removeprefix(verdict["sentence"]).strip(),
        warnings=verdict.get("warnings", []),
        muted=verdict["answer"] == NOT_VALID,
        sections=_findings(study, verdict, texts),
    )


def _findings(study: StudyFolder, verdict: dict[str, Any], texts: bool) -> list[Section]:
    if verdict["answer"] == NOT_VALID:  # what a model without skill gets wrong says nothing
        results = Section("Results by arm", _results(study, verdict))
        return present(results, _learning(study), cost_section(study, verdict))
    task = study.manifest["task"]
    tables = _predicted(study)
    votes = {arm: votes_of(found, task) for arm, found in tables.items() if found}
    return present(
        _gains(verdict),
        Section("Results by arm", _results(study, verdict)) if study.verdict else None,
        certainty_section(verdict),
        groups_section(study.manifest),
        label_curve_section(verdict),
        _step2(study),
        _learning(study),
        cost_section(study, verdict),
        _confusion(tables, task),
        _changed(votes, task, texts),
        _worst(study, votes, verdict, texts),
    )


def _predicted(study: StudyFolder) -> dict[str, list[pd.DataFrame]]:
    """The predictions of each arm, a table a seed; a seed counts only where no arm diverged."""
    lost = {cell.seed for cell in study.cells if cell.facts.get("diverged")}
    return {
        arm: [
            cell.predictions
            for cell in study.of(arm)
            if cell.predictions is not None and cell.seed not in lost
        ]
        for arm in study.arms
    }


def _unfinished(study: StudyFolder) -> dict[str, Any]:
    budgets = study.manifest.get("budgets") or [None]
    total = len(study.manifest["arms"]) * len(study.manifest["seeds"]) * len(budgets)
    return {
        "answer": "Not finished",
        "sentence": f"{len(study.cells)} of {counted(total, 'fit')} are done; "
        "the verdict comes with the last one.",
        "arms": {},
    }


def _values(study: StudyFolder, verdict: dict[str, Any]) -> dict[str, charts.Seeds]:
    """The values of every arm by seed, in the order of the study, without what failed."""
    arms = {arm: verdict["arms"][arm] for arm in study.manifest["arms"] if arm in verdict["arms"]}
    kept = {
        name: {
            seed: value
            for seed, value in zip(arm["seeds"], arm["values"], strict=True)
            if value is not None and math.isfinite(value)
        }
        for name, arm in arms.items()
    }
    return {name: seeds for name, seeds in kept.items() if seeds}


def _results(study: StudyFolder, verdict: dict[str, Any]) -> list[Block]:
    metric = plain(verdict["metric"])
    better = "higher" if verdict.get("higher_is_better", True) else "lower"
    values = _values(study, verdict)
    blocks: list[Block] = []
    if values:
        title = f"{capital(metric)} on test rows ({better} is better)"
        blocks.append(charts.seed_dots(title, metric, values, PAIR[1]))
        paired = f"{capital(metric)} of each seed, {PAIR[0]} and {PAIR[1]}"
        if drawn := charts.slopes(paired, metric, values, PAIR):
            blocks.append(drawn)
    return [*blocks, results_by_arm(study, metric, values)]


def _gains(verdict: dict[str, Any]) -> Section | None:
    """The verdict as a picture, and its numbers; one seed has gains, but no intervals."""
    comparisons = verdict.get("comparisons")
    if not comparisons:
        return None
    metric, smallest = plain(verdict["metric"]), verdict.get("smallest_effect") or 0.0
    known = [found for found in comparisons if found["gain"] is not None]
    blocks: list[Block] = [gains_table(comparisons)]
    if known:
        title = f"Gain in {metric} (positive is better)"
        blocks.insert(0, charts.gains(title, f"gain in {metric}", known, smallest))
    return Section("Gains", blocks)


def _step2(study: StudyFolder) -> Section | None:
    """Masked loss during step 2, and beside it the fits with and without step 2."""
    if study.adapted is None:
        return None
    blocks, metric = masked_loss_blocks(study.adapted), study.manifest["metric"]
    found = {arm: _by_epoch(study, arm, metric) for arm in PAIR if arm in study.arms}
    lines = [
        charts.curve(arm, "accent" if arm == PAIR[1] else "plain", points, points.values())
        for arm, points in found.items()
        if points
    ]
    title = f"{capital(plain(metric))} on validation rows, mean over seeds"
    if drawn := charts.panels({title: lines}, "epoch of the fit", plain(metric), True):
        blocks.insert(1, drawn)
    return Section("Step 2", blocks, "A lower masked loss is no guarantee of a better classifier.")


def _by_epoch(study: StudyFolder, arm: str, metric: str) -> dict[float, float]:
    """The mean over seeds of the metric on the validation rows, by epoch."""
    lines = [line for cell in study.of(arm) for line in cell.facts.get("history") or []]
    table = pd.DataFrame(lines)
    if not {"epoch", metric} <= set(table):
        return {}
    means = table.groupby("epoch")[metric].mean().dropna()
    return {float(epoch): float(mean) for epoch, mean in means.items()}


def _learning(study: StudyFolder) -> Section | None:
    curves = {
        arm: [
            line
            for cell in study.of(arm)
            for line in loss_curves(pd.DataFrame(cell.facts.get("history") or []))
        ]
        for arm in study.arms
    }
    drawn = learning_panels(curves, "loss")
    lost = [
        f"{cell.arm} with seed {cell.seed}" for cell in study.cells if cell.facts.get("diverged")
    ]
    lead = "One line for each seed." + (f" Diverged: {listed(lost)}." if lost else "")
    return Section("Learning curves", [drawn], lead) if drawn else None


def _confusion(tables: dict[str, list[pd.DataFrame]], task: dict[str, Any]) -> Section | None:
    if task["kind"] != "single":
        return None
    arms = [arm for arm in PAIR if arm in tables] or list(tables)[:1]
    counts = {arm: confusion_counts(tables[arm], task["labels"]) for arm in arms if tables[arm]}
    if not counts:
        return None
    seeds = max(len(tables[arm]) for arm in arms)
    of = f"test rows, summed over {counted(seeds, 'seed')}"
    return Section("Confusion", confusion_blocks(counts, task["labels"], of))


def _changed(votes: dict[str, Votes], task: dict[str, Any], texts: bool) -> Section | None:
    if task["kind"] == "regression" or not set(PAIR) <= votes.keys():
        return None
    fixed, broken = changed_by_step2(votes[PAIR[0]], votes[PAIR[1]], texts)
    lead = (
        "Test rows that most seeds of one arm get right and most seeds of the other get wrong; "
        "in brackets, how many seeds agree."
    )
    return Section("What step 2 changed", [fixed, broken], lead)


def _worst(
    study: StudyFolder, votes: dict[str, Votes], verdict: dict[str, Any], texts: bool
) -> Section | None:
    """The worst mistakes of the best arm among those whose predictions were kept."""
    sign = 1 if verdict.get("higher_is_better", True) else -1
    means = {arm: np.mean(list(seeds.values())) for arm, seeds in _values(study, verdict).items()}
    arms = [arm for arm in votes if arm in means]
    if not arms:
        return None
    best = max(arms, key=lambda arm: sign * means[arm])
    found = worst_mistakes(votes[best], study.manifest["task"], texts)
    lead = f"Those of the best arm, {best}, with the highest mean loss over seeds."
    return Section("Worst mistakes", [found], lead) if found else None
