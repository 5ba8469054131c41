"""What did a single run find? Its page."""

from typing import Any

import numpy as np
import pandas as pd

from steep.reports import (
    background,
    charts,
    confusion,
    explained,
    learnt,
    mistakes,
    reproduce,
    suspects,
)
from steep.reports.blocks import Block, Curve, Page, Panels, Section, Style, Table
from steep.reports.folder import RunFolder
from steep.reports.words import capital, count, counted, duration, number, plain, span

PARTS = {"valid": "validation", "test": "test"}
CLASSES = 20
MEASURED = {
    "masked_loss": "masked loss",
    "masked_accuracy": "masked accuracy",
    "pair_accuracy": "sentence pairs judged right",
    "probe": "linear probe on validation rows",
}
Summary = dict[str, Any]


def page(run: RunFolder, texts: bool) -> Page:
    """The page of a run; `texts` shows texts of the data."""
    pages = {"adapt": _adapt, "explain": _explain}
    return pages.get(run.manifest["stage"], _classifier)(run, texts)


def masked_loss(run: RunFolder) -> list[Block]:
    """Step 2 in a curve and a table: what held-out text costs before and after."""
    found = run.results
    blocks: list[Block] = []
    history = run.history
    if {"step", "train_loss", "valid_loss"} <= set(history):
        curves = [
            charts.curve("training", "faint", history["step"], history["train_loss"]),
            charts.curve("held-out", "accent", history["step"], history["valid_loss"]),
        ]
        drawn = {"": [line for line in curves if line.points]}
        if drawn[""]:
            blocks.append(charts.panels(drawn, "step", "masked loss", whole=True))
    if "probe" in history:
        scores = charts.curve("probe", "accent", history["step"], history["probe"])
        metric, scored = plain(found["probe_metric"]), count(found["probe_rows"][1])
        title = f"Linear probe: {metric} on {scored} validation rows"
        blocks.append(charts.panels({title: [scores]}, "step", metric, whole=True))
    rows = [
        (words, number(found[key]["before"]), number(found[key]["after"]))
        for key, words in MEASURED.items()
        if key in found
    ]
    caption = "Held-out documents, before and after step 2"
    blocks.append(Table(caption, ("", "before", "after"), "lrr", rows))
    return blocks


def learning(curves: dict[str, list[Curve]], what: str) -> Panels | None:
    """Curves over the epochs; None if there are none."""
    kept = {title: [c for c in lines if c.points] for title, lines in curves.items()}
    kept = {title: lines for title, lines in kept.items() if lines}
    return charts.panels(kept, "epoch", what, whole=True) if kept else None


def losses(history: pd.DataFrame) -> list[Curve]:
    """Training and validation loss by epoch, where they were kept."""
    if "epoch" not in history:
        return []
    shown: dict[str, tuple[str, Style]] = {
        "train_loss": ("training", "faint"),
        "valid_loss": ("validation", "accent"),
    }
    return [
        charts.curve(name, style, history["epoch"], history[column])
        for column, (name, style) in shown.items()
        if column in history
    ]


def _adapt(run: RunFolder, texts: bool) -> Page:
    found, loss = run.results, run.results["masked_loss"]
    facts = [
        ("documents", count(found.get("documents"))),
        ("windows", count(found.get("windows"))),
        ("tokens read", count(found.get("tokens"))),
        ("steps", count(found.get("steps"))),
        ("passes", number(found.get("epochs"), 2)),
        ("held-out tokens", count(found.get("heldout_tokens"))),
        ("tokens per second", count(found.get("tokens_per_second"))),
    ]
    blocks: list[Block] = [Table("Extent", ("", "amount"), "lr", facts)]
    if found.get("sources"):
        rows = [
            (s["name"], count(s.get("documents")), count(s.get("left_out")))
            for s in found["sources"]
        ]
        blocks.append(Table("Sources", ("file", "documents", "left out"), "lrr", rows))
    head = " The checkpoint had no masked-LM head; a new one was trained with it."
    return _page(
        run,
        question="What did step 2 learn?",
        answer=f"{number(loss['before'], 2)} → {number(loss['after'], 2)}",
        sentence="Masked loss on held-out documents, before and after further pre-training."
        + (head if found.get("new_head") else ""),
        sections=[
            Section("Masked loss", masked_loss(run)),
            *learnt.sections(run, texts),
            Section("Text", blocks),
        ],
    )


def _explain(run: RunFolder, texts: bool) -> Page:
    return _page(
        run,
        question="Which words speak for the answers?",
        answer=counted(len(run.results["rows"]), "row"),
        sentence=explained.sentence(run),
        sections=[explained.section(run, texts)],
    )


def _classifier(run: RunFolder, texts: bool) -> Page:
    found, metric = run.results, run.results["metric"]
    parts = summaries(run)
    part, summary = list(parts.items())[-1]
    value = summary["metrics"][metric]
    rows = counted(summary["rows"], "row")
    sections = [
        Section("Results", results(parts, metric)),
        *_epochs(run, metric),
        *_confusion(summary, found["task"], PARTS[part]),
        *_mistakes(run, part, texts),
        *_suspects(run, part, texts),
    ]
    return _page(
        run,
        question="How good is the model?",
        answer=number(value["value"]),
        sentence=f"{capital(plain(metric))} on {rows} of the {PARTS[part]} part; "
        f"95 % interval {span(value.get('low'), value.get('high'))}.",
        sections=sections,
    )


def summaries(run: RunFolder) -> dict[str, Summary]:
    """What was measured on each part; the last one is what counts."""
    return {part: run.results[part] for part in PARTS if run.results.get(part)}


def results(parts: dict[str, Summary], metric: str) -> list[Block]:
    """A table of metrics by part, and one of classes."""
    columns = [c for part in parts for c in (PARTS[part], "95 % interval")]
    names = list(dict.fromkeys(n for s in parts.values() for n in s["metrics"]))
    rows = []
    for name in names:
        found = [s["metrics"].get(name, {}) for s in parts.values()]
        cells = [c for m in found for c in (_value(m), span(m.get("low"), m.get("high")))]
        rows.append((plain(name), *cells))
    table = Table(
        "Metrics", ("metric", *columns), "l" + "r" * len(columns), rows, strong=plain(metric)
    )
    part, summary = list(parts.items())[-1]
    classes = summary.get("per_class") or []
    return [table, _classes(classes, PARTS[part])] if classes else [table]


def _value(metric: dict[str, float]) -> str:
    return number(metric.get("value"))


def _classes(classes: list[dict[str, Any]], part: str) -> Table:
    scores = ("precision", "recall", "f1", "auc")
    cut = ""
    if len(classes) > CLASSES:
        cut = f"{CLASSES} of {counted(len(classes), 'class')}: those with the lowest F1."
        classes = sorted(classes, key=lambda found: found.get("f1") or 0.0)[:CLASSES]
    return Table(
        caption=f"Classes, {part} part",
        columns=("class", "rows", "precision", "recall", "F1", "AUC"),
        align="lrrrrr",
        rows=[(c["label"], count(c["rows"]), *(number(c.get(s)) for s in scores)) for c in classes],
        note=cut,
    )


def _epochs(run: RunFolder, metric: str) -> list[Section]:
    drawn = [learning({"Loss": losses(run.history)}, "loss")]
    if {"epoch", metric} <= set(run.history):
        scores = charts.curve("validation", "accent", run.history["epoch"], run.history[metric])
        drawn.append(learning({capital(plain(metric)): [scores]}, plain(metric)))
    panels = [panel for some in drawn if some for panel in some.panels]
    if not panels:
        return []
    best = run.results.get("best_epoch")
    lead = f"The weights of epoch {best} were kept." if best is not None else ""
    return [Section("Learning", [Panels(panels)], lead)]


def _confusion(summary: Summary, task: dict[str, Any], part: str) -> list[Section]:
    if not summary.get("confusion"):
        return []
    table = np.array(summary["confusion"], dtype=int)
    drawn = confusion.confusion({part: table}, task["labels"], f"rows of the {part} part")
    return [Section("Confusion", [drawn])]


def _mistakes(run: RunFolder, part: str, texts: bool) -> list[Section]:
    if part not in run.predictions or run.predictions[part].empty:
        return []
    task = run.results["task"]
    found = mistakes.worst(mistakes.votes([run.predictions[part]], task), task, texts)
    return [Section("Worst mistakes", [found], "The highest loss first.")] if found else []


def _suspects(run: RunFolder, part: str, texts: bool) -> list[Section]:
    if part not in run.predictions:
        return []
    known = run.results.get("trained_on", 0)
    return suspects.sections(run.predictions[part], run.results["task"], texts, known)


def _page(
    run: RunFolder, question: str, answer: str, sentence: str, sections: list[Section]
) -> Page:
    """The page of a run, with the sections that every run has at its end."""
    manifest, stage = run.manifest, run.manifest["stage"]
    sources = [source["name"] for source in run.results.get("sources", [])]
    seeds = [manifest["args"]["seed"]] if "seed" in manifest["args"] else []
    line = reproduce.command(stage, manifest, f"{run.name}/", run.results.get("model"), sources)
    return Page(
        title=f"{run.name}: steep {stage}",
        origin=f"steep {stage} · {run.name} · {duration(manifest.get('seconds'))}",
        question=question,
        answer=answer,
        sentence=sentence,
        sections=[
            *sections,
            background.data(manifest, manifest.get("notes", [])),
            background.reproduction(manifest, line, seeds),
        ],
        footer=f"Written by steep {manifest.get('versions', {}).get('steep', '')}".strip(),
    )
