"""Was step 2 worth it? The page of a study: the verdict, then everything it rests on."""

import math
from typing import Any

import numpy as np
import pandas as pd

from steep.reports import background, charts, confusion, cost, labels, mistakes, reproduce, sure
from steep.reports.blocks import Block, Page, Section, Table
from steep.reports.folder import StudyFolder
from steep.reports.mistakes import Votes
from steep.reports.run import learning, losses, masked_loss
from steep.reports.words import (
    NOTHING,
    capital,
    chance,
    count,
    counted,
    duration,
    listed,
    number,
    plain,
    span,
)

PAIR = ("base", "adapted")


def page(study: StudyFolder, texts: bool) -> Page:
    """The page of a study, finished or not; `texts` shows texts of the data."""
    verdict = study.verdict or _unfinished(study)
    manifest, task = study.manifest, study.manifest["task"]
    told = {arm: votes for arm in study.arms if (votes := _votes(study, arm, task))}
    sections = [
        *([Section("Results by arm", _results(study, verdict))] if study.verdict else []),
        *sure.sections(verdict),
        *labels.sections(verdict),
        *_step2(study),
        *_learning(study),
        *cost.sections(study, verdict),
        *_confusion(study, task),
        *_changed(told, task, texts),
        *_worst(study, told, verdict, texts),
    ]
    line = reproduce.command("compare", manifest, f"{study.name}/")
    inside = study.adapted.manifest.get("notes", []) if study.adapted else []
    seeds = [int(seed) for seed in manifest["seeds"]]
    return Page(
        title=f"{study.name}: was step 2 worth it?",
        origin=f"steep compare · {study.name} · {counted(len(seeds), 'seed')} · "
        f"{duration(manifest.get('seconds'))}",
        question="Was step 2 worth it?",
        answer=capital(verdict["answer"]),
        sentence=verdict["sentence"],
        paragraph=verdict.get("paragraph", "").removeprefix(verdict["sentence"]).strip(),
        warnings=verdict.get("warnings", []),
        sections=[
            *sections,
            background.data(manifest, [*manifest.get("notes", []), *inside]),
            background.reproduction(manifest, line, seeds),
        ],
        footer=f"Written by steep {manifest.get('versions', {}).get('steep', '')}".strip(),
    )


def _unfinished(study: StudyFolder) -> dict[str, Any]:
    budgets = len(set(study.manifest["args"].get("label_budget") or [None]))
    total = len(study.manifest["arms"]) * len(study.manifest["seeds"]) * budgets
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
    part = "test" if any(cell.facts.get("test") for cell in study.cells) else "validation"
    metric = plain(verdict["metric"])
    better = "higher" if verdict.get("higher_is_better", True) else "lower"
    values = _values(study, verdict)
    blocks: list[Block] = []
    if values:
        title = f"{capital(metric)} on the {part} part ({better} is better)"
        blocks.append(charts.dots(title, metric, values, PAIR))
    blocks.append(_by_arm(study, metric, values, part))
    if verdict.get("comparisons"):
        blocks.append(_gains(verdict["comparisons"]))
    return blocks


def _by_arm(study: StudyFolder, metric: str, values: dict[str, charts.Seeds], part: str) -> Table:
    """Mean, spread and interval of every arm, and the means of its other metrics."""
    key = "test" if part == "test" else "valid"
    others = [name for name in _metrics(study, key) if plain(name) != metric]
    rows = []
    for arm, seeds in values.items():
        found = list(seeds.values())
        spread = float(np.std(found, ddof=1)) if len(found) > 1 else None
        low, high = charts.interval(found) or (None, None)
        cells = [cell.facts.get(key) or {} for cell in study.of(arm)]
        more = [_mean([cell.get(name) for cell in cells]) for name in others]
        mean = number(float(np.mean(found)))
        rows.append((arm, mean, number(spread), span(low, high), count(len(found)), *more))
    return Table(
        caption=f"{capital(part)} results",
        columns=("arm", metric, "sd", "95 % interval", "seeds", *map(plain, others)),
        align="lrrrr" + "r" * len(others),
        rows=rows,
        note="Mean, standard deviation and t interval over seeds, on these rows.",
        strong=PAIR[1],
    )


def _metrics(study: StudyFolder, key: str) -> list[str]:
    return list(dict.fromkeys(name for cell in study.cells for name in cell.facts.get(key) or {}))


def _mean(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return number(float(np.mean(known))) if known else NOTHING


def _gains(comparisons: list[dict[str, Any]]) -> Table:
    rows = [
        (
            f"{found['arm']} over {found['against']}",
            number(found.get("gain"), sign=True),
            span(found.get("low"), found.get("high"), sign=True),
            span(found.get("bootstrap_low"), found.get("bootstrap_high"), sign=True),
            chance(found.get("p_value")),
            chance(found.get("p_holm")),
            number(found.get("minimum_detectable")),
            _needed(found),
        )
        for found in comparisons
    ]
    return Table(
        caption="Gains, seed by seed",
        columns=(
            *("", "gain", "95 % interval", "bootstrap", "p", "p (Holm)", "detectable"),
            "seeds needed",
        ),
        align="lrrrrrrr",
        rows=rows,
        note="A positive gain is the better result. The interval counts seeds and test rows; the "
        "bootstrap, over both, is its check. Only the first line decides; Holm's method corrects "
        "the p values of the others for their number. Detectable: the gain that as many seeds and "
        "rows find in 8 of 10 studies. Seeds needed: to find the gain seen here as often.",
    )


def _needed(found: dict[str, Any]) -> str:
    """How many seeds would do, or that no number would while the test rows are so few."""
    if found.get("seeds_needed") is None and found.get("bottleneck") == "rows":
        return "more rows"
    return count(found.get("seeds_needed"))


def _step2(study: StudyFolder) -> list[Section]:
    """Masked loss over step 2, and beside it what the fits with and without step 2 made of it."""
    if study.adapted is None:
        return []
    blocks, metric = masked_loss(study.adapted), study.manifest["metric"]
    found = {arm: _by_epoch(study, arm, metric) for arm in PAIR if arm in study.arms}
    lines = [
        charts.curve(arm, "accent" if arm == PAIR[1] else "plain", points, points.values())
        for arm, points in found.items()
        if points
    ]
    if lines:
        title = f"{capital(plain(metric))} on validation, mean over seeds"
        blocks.insert(1, charts.panels({title: lines}, "epoch of fit", plain(metric), whole=True))
    return [
        Section("Step 2", blocks, "A lower masked loss promises no better classifier: compare.")
    ]


def _by_epoch(study: StudyFolder, arm: str, metric: str) -> dict[float, float]:
    """The mean over seeds of the metric on the validation rows, by epoch."""
    lines = [line for cell in study.of(arm) for line in cell.facts.get("history") or []]
    table = pd.DataFrame(lines)
    if not {"epoch", metric} <= set(table):
        return {}
    means = table.groupby("epoch")[metric].mean().dropna()
    return {float(epoch): float(mean) for epoch, mean in means.items()}


def _learning(study: StudyFolder) -> list[Section]:
    curves = {
        arm: [
            line
            for cell in study.of(arm)
            for line in losses(pd.DataFrame(cell.facts.get("history") or []))
        ]
        for arm in study.arms
    }
    drawn = learning(curves, "loss")
    lost = [
        f"{cell.arm} with seed {cell.seed}" for cell in study.cells if cell.facts.get("diverged")
    ]
    lead = "One line a seed." + (f" Diverged: {listed(lost)}." if lost else "")
    return [Section("Learning", [drawn], lead)] if drawn else []


def _confusion(study: StudyFolder, task: dict[str, Any]) -> list[Section]:
    if task["kind"] != "single":
        return []
    arms = [arm for arm in PAIR if arm in study.arms] or study.arms[:1]
    tables = {
        arm: [c.predictions for c in study.of(arm) if c.predictions is not None] for arm in arms
    }
    counts = {a: confusion.counts(some, task["labels"]) for a, some in tables.items() if some}
    if not counts:
        return []
    seeds = max(len(some) for some in tables.values())
    of = f"rows of the test part, summed over {counted(seeds, 'seed')}"
    return [Section("Confusion", [confusion.confusion(counts, task["labels"], of)])]


def _votes(study: StudyFolder, arm: str, task: dict[str, Any]) -> Votes | None:
    tables = [cell.predictions for cell in study.of(arm) if cell.predictions is not None]
    return mistakes.votes(tables, task) if tables else None


def _changed(told: dict[str, Votes], task: dict[str, Any], texts: bool) -> list[Section]:
    if task["kind"] == "regression" or not set(PAIR) <= told.keys():
        return []
    fixed, caused = mistakes.changed(told[PAIR[0]], told[PAIR[1]], texts)
    lead = (
        "Test rows that most seeds of one arm get right and most seeds of the other get wrong; "
        "in brackets, how many seeds say so."
    )
    return [Section("What step 2 changed", [fixed, caused], lead)]


def _worst(
    study: StudyFolder, told: dict[str, Votes], verdict: dict[str, Any], texts: bool
) -> list[Section]:
    """The worst mistakes of the best arm among those whose predictions were kept."""
    sign = 1 if verdict.get("higher_is_better", True) else -1
    means = {arm: np.mean(list(seeds.values())) for arm, seeds in _values(study, verdict).items()}
    arms = [arm for arm in told if arm in means]
    if not arms:
        return []
    best = max(arms, key=lambda arm: sign * means[arm])
    found = mistakes.worst(told[best], study.manifest["task"], texts)
    lead = f"Of the best arm, {best}: the highest loss first, mean over seeds."
    return [Section("Worst mistakes", [found], lead)] if found else []
