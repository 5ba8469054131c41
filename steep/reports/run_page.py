"""What did a single run find? The pages of adapt, fit and evaluate."""

from typing import Any

import numpy as np
import pandas as pd

from steep.metrics.summary import behind, headline
from steep.reports import charts
from steep.reports.blocks import (
    Block,
    Curve,
    Example,
    Examples,
    Page,
    Panels,
    Section,
    Style,
    present,
)
from steep.reports.folder import RunFolder
from steep.reports.groups_section import groups_section
from steep.reports.mistakes import suspects_section, votes_of, worst_mistakes
from steep.reports.pictures import (
    class_bars,
    confusion_blocks,
    lengths_section,
    probabilities_section,
)
from steep.run_tables import (
    PARTS,
    Summary,
    Table,
    compared_table,
    masked_loss_table,
    score_tables,
    summaries,
)
from steep.wording import capital, count, counted, number, plain, span

NEW_HEAD = " The checkpoint had no masked-LM head; a new one was trained with it."
TRAINED_HEAD = (
    ' The checkpoint had no masked-LM head: "before" is with the new head after it was trained on '
    "its own, with the encoder frozen; the head went on training with the encoder."
)
UNSKILLED = (
    "Calibration, suspected label errors and explanations are not shown: of a model that is not "
    "clearly better than chance they would only mislead."
)


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
    compared = summary.get("compared")
    skill = compared is None or compared["skill"]
    answer, sentence = _answer(summary, metric, PARTS[part])
    return Page(
        question="How good is the model?",
        answer=answer,
        sentence=sentence,
        muted=compared is not None and behind(compared),
        sections=present(
            Section("Results", _results(parts, metric)),
            groups_section(run.manifest),
            lengths_section(found),
            _learning(run, metric),
            _confusion(summary, found["task"], PARTS[part]),
            *_rows(run, part, texts, skill),
        ),
    )


def _answer(summary: Summary, metric: str, part: str) -> tuple[str, str]:
    """The score, or that nothing was learnt; and how it stands beside what knows less."""
    value, compared = summary["metrics"].get(metric), summary.get("compared")
    scored = f"{capital(plain(metric))} on {counted(summary['rows'], f'{part} row')}"
    if value is None:
        said = f"{scored} is undefined: they do not have all that it compares, such as two classes."
    else:
        said = f"{scored}; 95 % interval {span(value.get('low'), value.get('high'))}."
    answer, first = number(value["value"] if value else None), ""
    if compared:
        first = headline(compared)
        if not compared["skill"]:
            answer, _, first = first.partition(": ")
    return answer, f"{capital(first)}. {said}" if first else said


def _results(parts: dict[str, Summary], metric: str) -> list[Block]:
    part, summary = list(parts.items())[-1]
    compared, drawn = summary.get("compared"), class_bars(summary, PARTS[part])
    blocks: list[Block] = [compared_table(compared)] if compared else []
    return [*blocks, *score_tables(parts, metric), *([drawn] if drawn else [])]


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
    return Section("Confusion", confusion_blocks({part: table}, task["labels"], f"{part} rows"))


def _rows(run: RunFolder, part: str, texts: bool, skill: bool) -> list[Section | None]:
    """Probabilities, the worst mistakes, and the labels that may be wrong."""
    table, task, found = run.predictions.get(part), run.results["task"], run.results
    sure = probabilities_section(found[part], table, task, found.get("decisions"))
    if table is None or table.empty:
        return [sure if skill else Section("Left out", [], UNSKILLED)]
    wrong = worst_mistakes(votes_of([table], task), task, texts)
    worst = Section("Worst mistakes", [wrong], "Those with the highest loss.") if wrong else None
    if not skill:
        return [worst, Section("Left out", [], UNSKILLED)]
    return [sure, worst, suspects_section(table, task, texts, found.get("trained_on", 0))]


def words_section(run: RunFolder, texts: bool) -> Section | None:
    """Words and examples; without `texts` neither, since both are part of the text."""
    found = run.look
    if found is None or not texts or not (found["words"] or found["examples"]):
        return None
    lead = (
        f"Predictions at {count(found['tokens'])} masked tokens of held-out documents, before and "
        f"after step 2. The {count(found['words'])} words that were masked at least "
        f"{found['least']} times are ranked by the mean change of their log probability (0 is "
        "certain). The extremes of such a ranking overstate what was learnt about any one word."
    )
    blocks: list[Block] = [
        _words_table(f"Words predicted {how}", found[how])
        for how in ("better", "worse")
        if found[how]
    ]
    examples = [_word_example(example) for example in found["examples"]]
    note = "First those whose true word gained the most probability, then those that lost the most."
    if examples:
        blocks.append(Examples("Predictions before and after", examples, note))
    if found.get("left_out"):
        left = count(found["left_out"])
        lead += f" Stop words, single letters and punctuation ({left}) do not count."
    if found.get("parts"):
        lead += f" Nor do {count(found['parts'])} of the masked tokens, which are parts of words."
    lead += TRAINED_HEAD if run.results.get("new_head") else ""
    return Section("What it learnt", blocks, lead)


def _words_table(caption: str, words: list[dict[str, Any]]) -> Table:
    rows = [
        (
            word["word"],
            count(word["times"]),
            number(word["before"], 2),
            number(word["after"], 2),
            number(word["after"] - word["before"], 2, sign=True),
        )
        for word in words
    ]
    columns = ("word", "times masked", "log p before", "log p after", "change")
    return Table(caption, columns, "lrrrr", rows)


def _word_example(example: dict[str, Any]) -> Example:
    facts = [
        (when, ", ".join(f"{word} {share:.0%}" for word, share in example[when]))
        for when in ("before", "after")
    ]
    return Example("", example["text"], [("true word", example["truth"]), *facts])
