"""What did a single run find? The pages of adapt, fit and evaluate."""

from typing import Any

import numpy as np
import pandas as pd

from steep.reports import charts
from steep.reports.blocks import Block, Curve, Page, Panels, Section, Style, present
from steep.reports.confusion import confusion_block
from steep.reports.folder import RunFolder
from steep.reports.mistakes import votes_of, worst_mistakes
from steep.reports.suspects import suspects_section
from steep.reports.word_predictions import words_section
from steep.run_tables import PARTS, Summary, Table, masked_loss_table, score_tables, summaries
from steep.wording import capital, count, counted, number, plain, span

NEW_HEAD = " The checkpoint had no masked-LM head; a new one was trained with it."


def adapt_page(run: RunFolder, texts: bool) -> Page:
    """The page of step 2; `texts` shows texts of the data."""
    loss = run.results["masked_loss"]
    return Page(
        question="What did step 2 learn?",
        answer=f"{number(loss['before'], 2)} → {number(loss['after'], 2)}",
        sentence="Masked loss on held-out documents before and after further pre-training."
        + (NEW_HEAD if run.results.get("new_head") else ""),
        sections=present(
            Section("Masked loss", masked_loss_blocks(run)),
            words_section(run, texts),
            Section("Text", _text_tables(run.results)),
        ),
    )


def classifier_page(run: RunFolder, texts: bool) -> Page:
    """The page of a fit or an evaluation; `texts` shows texts of the data."""
    found, metric = run.results, run.results["metric"]
    parts = summaries(found)
    part, summary = list(parts.items())[-1]
    value = summary["metrics"].get(metric)
    said = f"{capital(plain(metric))} on {counted(summary['rows'], f'{PARTS[part]} row')}"
    interval = value and span(value.get("low"), value.get("high"))
    return Page(
        question="How good is the model?",
        answer=number(value["value"] if value else None),
        sentence=f"{said}; 95 % interval {interval}."
        if value
        else f"{said} is undefined: they do not have all that it compares, such as two classes.",
        sections=present(
            Section("Results", score_tables(parts, metric)),
            _learning(run, metric),
            _confusion(summary, found["task"], PARTS[part]),
            _mistakes(run, part, texts),
            _suspects(run, part, texts),
        ),
    )


def masked_loss_blocks(run: RunFolder) -> list[Block]:
    """Step 2 in curves and a table: the loss on held-out text before and after."""
    blocks: list[Block | None] = []
    history = run.history
    if {"step", "train_loss", "valid_loss"} <= set(history):
        curves = [
            charts.curve("training", "faint", history["step"], history["train_loss"]),
            charts.curve("held-out", "accent", history["step"], history["valid_loss"]),
        ]
        blocks.append(charts.panels({"": curves}, "step", "masked loss", whole=True))
    if {"step", "probe"} <= set(history) and {"probe_metric", "probe_rows"} <= run.results.keys():
        scores = charts.curve("probe", "accent", history["step"], history["probe"])
        metric, scored = plain(run.results["probe_metric"]), count(run.results["probe_rows"][1])
        title = f"Linear probe: {metric} on {scored} validation rows"
        blocks.append(charts.panels({title: [scores]}, "step", metric, whole=True))
    return [*(block for block in blocks if block), masked_loss_table(run.results)]


def learning_panels(curves: dict[str, list[Curve]], what: str) -> Panels | None:
    """Curves over the epochs; None if there are none."""
    return charts.panels(curves, "epoch", what, whole=True)


def loss_curves(history: pd.DataFrame) -> list[Curve]:
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


def _text_tables(found: dict[str, Any]) -> list[Table]:
    amounts = [
        ("documents", count(found.get("documents"))),
        ("token windows", count(found.get("windows"))),
        ("tokens trained on", count(found.get("tokens"))),
        ("optimiser steps", count(found.get("steps"))),
        ("passes", number(found.get("epochs"), 2)),
        ("held-out tokens predicted", count(found.get("heldout_tokens"))),
        ("tokens per second", count(found.get("tokens_per_second"))),
    ]
    sources = [
        (source["name"], count(source.get("documents")), count(source.get("left_out")))
        for source in found.get("sources", [])
    ]
    tables = [Table("Amounts", ("", "amount"), "lr", amounts)]
    if sources:
        tables.append(Table("Sources", ("file", "documents", "left out"), "lrr", sources))
    return tables


def _learning(run: RunFolder, metric: str) -> Section | None:
    drawn = [learning_panels({"Loss": loss_curves(run.history)}, "loss")]
    if {"epoch", metric} <= set(run.history):
        scores = charts.curve("validation", "accent", run.history["epoch"], run.history[metric])
        drawn.append(learning_panels({capital(plain(metric)): [scores]}, plain(metric)))
    panels = [panel for one in drawn if one for panel in one.panels]
    if not panels:
        return None
    best = run.results.get("best_epoch")
    lead = f"The weights of epoch {best} were kept." if best is not None else ""
    return Section("Learning curves", [Panels(panels)], lead)


def _confusion(summary: Summary, task: dict[str, Any], part: str) -> Section | None:
    if not summary.get("confusion"):
        return None
    table = np.array(summary["confusion"], dtype=int)
    return Section("Confusion", [confusion_block({part: table}, task["labels"], f"{part} rows")])


def _mistakes(run: RunFolder, part: str, texts: bool) -> Section | None:
    if part not in run.predictions or run.predictions[part].empty:
        return None
    task = run.results["task"]
    found = worst_mistakes(votes_of([run.predictions[part]], task), task, texts)
    return Section("Worst mistakes", [found], "Those with the highest loss.") if found else None


def _suspects(run: RunFolder, part: str, texts: bool) -> Section | None:
    if part not in run.predictions:
        return None
    known = run.results.get("trained_on", 0)
    return suspects_section(run.predictions[part], run.results["task"], texts, known)
