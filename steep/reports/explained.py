"""Which words spoke for the answers? The page of a run of explain."""

from typing import Any

from steep.reports.blocks import Block, Marked, Section, Word
from steep.reports.folder import RunFolder
from steep.reports.words import capital, counted, number

TOP, LEAST = 4, 0.005  # words that are named on either side, and the smallest part named
CUT = " […] "  # stands for text that the model did not read
LEAD = (
    "Each word's part of a label's score (the logit), beyond that of the same text with every word "
    "hidden; the parts sum to the difference. Full lines and one colour speak for the label, "
    "dotted lines and the other against it; the stronger the colour, the more, within a text. "
    "They tell what this model goes by, not what is true, and words act together: what one adds "
    "depends on the others."
)


def section(run: RunFolder, texts: bool) -> Section:
    """All rows, with their texts unless they are left out."""
    rows = run.results["rows"]
    task = run.results["task"]
    blocks: list[Block] = [_marked(row, task["kind"], texts) for row in rows]
    return Section("Words", blocks, LEAD)


def sentence(run: RunFolder) -> str:
    """What the page is about."""
    rows = run.results["rows"]
    worst = max(abs(row["error"]) for row in rows)
    return (
        f"Integrated gradients for {counted(len(rows), 'row')}, in {run.results['steps']} steps; "
        f"the parts miss their sum by {number(worst)} at most."
    )


def _marked(row: dict[str, Any], kind: str, texts: bool) -> Marked:
    what = "predicted" if kind == "regression" else "probability"
    facts = [
        ("label", row["label"]),
        (what, number(row["output"])),
        ("score", number(row["score"], 2)),
        ("with words hidden", number(row["hidden"], 2)),
    ]
    most = max((abs(word["part"]) for one in row["texts"] for word in one["words"]), default=0.0)
    shown = [_text(one, most or 1.0) for one in row["texts"]] if texts else []
    return Marked(f"Row {row['id']}", facts, shown, _told(row) if texts else "")


def _text(one: dict[str, Any], most: float) -> list[Word]:
    """A text in pieces: its words with their shares, and what stands between them."""
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


def _told(row: dict[str, Any]) -> str:
    """The strongest words in a sentence, for those who do not see colours."""
    found = [
        (word["part"], one["text"][word["begin"] : word["end"]])
        for one in row["texts"]
        for word in one["words"]
    ]
    found.sort(key=lambda word: -abs(word[0]))
    sides = {
        f"for {row['label']}": [word for word in found if word[0] >= LEAST][:TOP],
        "against it": [word for word in found if word[0] <= -LEAST][:TOP],
    }
    parts = [
        f"{side}: " + ", ".join(f"{text} ({number(part, 2, sign=True)})" for part, text in words)
        for side, words in sides.items()
        if words
    ]
    return capital("; ".join(parts)) + "." if parts else ""
