"""Which tables does a run show of itself? The same ones in its report and in its model card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from steep.metrics.summary import named, own_value
from steep.wording import NOTHING, count, counted, inline, listed, number, plain, span

PARTS = {"train": "training", "valid": "validation", "test": "test"}
MEASURED = {
    "masked_loss": "masked loss",
    "masked_accuracy": "masked accuracy",
    "pair_accuracy": "accuracy on sentence pairs",
    "probe": "linear probe on validation rows",
}
CLASSES = LABELS = 20  # that a table shows, at most
Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table of words and numbers, already formatted."""

    kind: ClassVar[str] = "table"  # the name of its template in a report
    caption: str
    columns: tuple[str, ...]
    align: str  # one letter a column: l for words, r for numbers
    rows: Sequence[tuple[str, ...]]
    note: str = ""
    strong: str = ""  # first cell of the row that stands out

    @property
    def markdown(self) -> str:
        """Caption, table and note in Markdown."""
        ends = tuple("---:" if letter == "r" else ":---" for letter in self.align)
        lines = [tuple(map(inline, self.columns)), ends]
        lines += [tuple(map(inline, row)) for row in self.rows]
        drawn = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return "\n\n".join(filter(None, [f"**{inline(self.caption)}**", drawn, inline(self.note)]))


def summaries(results: Mapping[str, Any]) -> dict[str, Summary]:
    """What was measured on validation and test rows; the last one is what counts."""
    return {part: results[part] for part in ("valid", "test") if results.get(part)}


def score_tables(parts: Mapping[str, Summary], metric: str) -> list[Table]:
    """The metrics of each part, and the scores of each class."""
    columns = [c for part in parts for c in (PARTS[part], "95 % interval")]
    names = list(dict.fromkeys(n for summary in parts.values() for n in summary["metrics"]))
    rows = []
    for name in names:
        found = [summary["metrics"].get(name, {}) for summary in parts.values()]
        cells = [
            c for m in found for c in (number(m.get("value")), span(m.get("low"), m.get("high")))
        ]
        rows.append((plain(name), *cells))
    align = "l" + "r" * len(columns)
    table = Table("Metrics", ("metric", *columns), align, rows, strong=plain(metric))
    part, summary = list(parts.items())[-1]
    classes = summary.get("per_class") or []
    return [table, _classes(classes, PARTS[part])] if classes else [table]


def compared_table(compared: Mapping[str, Any]) -> Table:
    """A model beside its baselines, of what `steep.metrics.summary.beside` found."""
    metric = compared["metric"]
    rows = [
        (
            named(name, metric),
            number(found["value"]),
            number(found["gain"], sign=True),
            span(found["low"], found["high"], sign=True),
        )
        for name, found in compared["baselines"].items()
    ]
    return Table(
        caption="Compared with baselines",
        columns=("", plain(metric), "gain of the model", "95 % interval"),
        align="lrrr",
        rows=[("this model", number(own_value(compared)), NOTHING, NOTHING), *rows],
        note="A positive gain: the model is the better one. Intervals: paired bootstrap over rows.",
    )


def masked_loss_table(results: Mapping[str, Any]) -> Table:
    """What step 2 changed, as measured on held-out documents."""
    rows = [
        (words, number(results[key]["before"]), number(results[key]["after"]))
        for key, words in MEASURED.items()
        if key in results
    ]
    return Table("Held-out documents before and after step 2", ("", "before", "after"), "lrr", rows)


def data_tables(data: Mapping[str, Any]) -> list[Table]:
    """Files with their fingerprints, and rows by label and part; of the manifest's `data`."""
    tables = []
    if data.get("files"):
        rows = [
            (file["name"], count(file.get("rows")), file.get("fingerprint") or "")
            for file in data["files"]
        ]
        tables.append(Table("Files", ("file", "rows", "fingerprint"), "lrl", rows))
    if any(data.get("labels", {}).values()):
        tables.append(_labels(data["labels"]))
    return tables


def bias_in_words(results: Mapping[str, Any]) -> str:
    """What 'steep bias --card' found out about a model, in Markdown; empty where it was not run."""
    if not (found := results.get("bias")):
        return ""
    return f"{inline(found['lead'])}\n\n{Table(**found['table']).markdown}"


def parts_in_words(data: Mapping[str, Any]) -> str:
    """How many labelled rows each part has; empty where that is not known."""
    parts = [f"{rows:,} {PARTS.get(part, part)}" for part, rows in data.get("parts", {}).items()]
    return f"Labelled: {listed(parts)} rows." if parts else ""


def _classes(classes: list[dict[str, Any]], part: str) -> Table:
    scores, note = ("precision", "recall", "f1", "auc"), ""
    if len(classes) > CLASSES:
        note = f"{CLASSES} of {counted(len(classes), 'class')}: those with the lowest F1."
        classes = sorted(classes, key=lambda found: found.get("f1") or 0.0)[:CLASSES]
    return Table(
        caption=f"Scores by class, {part} rows",
        columns=("class", "rows", "precision", "recall", "F1", "AUC"),
        align="lrrrrr",
        rows=[(c["label"], count(c["rows"]), *(number(c.get(s)) for s in scores)) for c in classes],
        note=note,
    )


def _labels(labels: Mapping[str, Mapping[str, int]]) -> Table:
    """The label that is the most frequent in the first part comes first."""
    parts = list(labels)
    names = list(dict.fromkeys(name for part in parts for name in labels[part]))
    names.sort(key=lambda name: -labels[parts[0]].get(name, 0))
    rows = [(name, *(count(labels[part].get(name, 0)) for part in parts)) for name in names]
    cut = f"The {LABELS} most frequent of {counted(len(names), 'label')}."
    return Table(
        caption="Rows by label",
        columns=("label", *(PARTS.get(part, part) for part in parts)),
        align="l" + "r" * len(parts),
        rows=rows[:LABELS],
        note=cut if len(names) > LABELS else "",
    )
