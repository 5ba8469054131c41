"""Which words speak for the predictions? The page of a run of explain."""

from typing import Any

from steep.reports.blocks import Block, Marked, Page, Section, Word
from steep.reports.folder import RunFolder, StagePage
from steep.run_shapes import COUNT, NUMBER, TASK
from steep.shelf.explain import ExplainArgs
from steep.wording import capital, counted, number

NAMED, LEAST = 4, 0.005  # words named on either side, and the smallest attribution named
CUT = " […] "  # stands for text that the model did not read
LEAD = (
    "Each word's attribution: what it adds to the score (the logit) of the label, compared with "
    "the same text with every word masked; the attributions sum to the difference. Full lines and "
    "one colour mark words that raise the score, dotted lines and the other those that lower it; "
    "the stronger the colour, the larger the attribution within its text. They show what this "
    "model reacts to, not what is true, and words interact: what one adds depends on the others."
)


def page(run: RunFolder, texts: bool) -> Page:
    """The page of all rows, with their texts unless they are left out."""
    rows, task = run.results["rows"], run.results["task"]
    count, worst = counted(len(rows), "row"), max((abs(row["error"]) for row in rows), default=0.0)
    blocks: list[Block] = [_marked(row, task["kind"], texts) for row in rows]
    return Page(
        question="Which words speak for the predictions?",
        answer=count,
        sentence=f"Integrated gradients for {count}, in {run.results['steps']} steps; the "
        f"attributions miss their sum by {number(worst)} at most.",
        warnings=run.results.get("warnings", []),
        sections=[Section("Words", blocks, LEAD)],
    )


def _marked(row: dict[str, Any], kind: str, texts: bool) -> Marked:
    what = "predicted" if kind == "regression" else "probability"
    facts = [
        ("label", row["label"]),
        (what, number(row["output"])),
        ("score", number(row["score"], 2)),
        ("with words masked", number(row["hidden"], 2)),
    ]
    most = max((abs(word["part"]) for one in row["texts"] for word in one["words"]), default=0.0)
    shown = [_text(one, most or 1.0) for one in row["texts"]] if texts else []
    return Marked(f"Row {row['id']}", facts, shown, _strongest(row) if texts else "")


def _text(one: dict[str, Any], most: float) -> list[Word]:
    """A text in pieces: its words, of which the strongest has the share 1, and what is between."""
    pieces, done = [], 0
    for word in one["words"]:
        pieces.append(_between(one["text"][done : word["begin"]]))
        done = max(done, word["end"])
        text = one["text"][word["begin"] : word["end"]]
        pieces.append(Word(text, word["part"] / most, number(word["part"], 2, sign=True)))
    pieces.append(_between(one["text"][done:]))
    return [piece for piece in pieces if piece.text]


def _between(text: str) -> Word:
    return Word(CUT if text.strip() else text, 0.0, "")


def _strongest(row: dict[str, Any]) -> str:
    """The strongest words in a sentence, for those who do not see colours."""
    found = [
        (word["part"], one["text"][word["begin"] : word["end"]])
        for one in row["texts"]
        for word in one["words"]
    ]
    found.sort(key=lambda word: -abs(word[0]))
    sides = {
        f"for {row['label']}": [word for word in found if word[0] >= LEAST][:NAMED],
        "against it": [word for word in found if word[0] <= -LEAST][:NAMED],
    }
    parts = [
        f"{side}: " + ", ".join(f"{text} ({number(part, 2, sign=True)})" for part, text in words)
        for side, words in sides.items()
        if words
    ]
    return capital("; ".join(parts)) + "." if parts else ""


PART = {"begin": COUNT, "end": COUNT, "part": NUMBER}
EXPLAINED = {  # results.json
    "task": TASK,
    "steps": COUNT,
    "warnings?": [str],
    "rows": [
        {"id": str, "label": str, "texts": [{"text": str, "words": [PART]}]}
        | dict.fromkeys(("output", "score", "hidden", "error"), NUMBER)
    ],
}
EXPLAIN_PAGE = StagePage(ExplainArgs, page, EXPLAINED)
