"""Which words does the adapted model predict better, and which worse? Its part of the page."""

from typing import Any

from steep.reports.blocks import Block, Example, Examples, Section
from steep.reports.folder import RunFolder
from steep.run_tables import Table
from steep.wording import count, number

NEW_HEAD = (
    ' The checkpoint had no masked-LM head: "before" is with the new head after it was trained on '
    "its own, with the encoder frozen; the head went on training with the encoder."
)


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
        _table(f"Words predicted {how}", found[how]) for how in ("better", "worse") if found[how]
    ]
    examples = [_example(example) for example in found["examples"]]
    note = "First those whose true word gained the most probability, then those that lost the most."
    if examples:
        blocks.append(Examples("Predictions before and after", examples, note))
    lead += NEW_HEAD if run.results.get("new_head") else ""
    return Section("What it learnt", blocks, lead)


def _table(caption: str, words: list[dict[str, Any]]) -> Table:
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


def _example(example: dict[str, Any]) -> Example:
    facts = [(when, _top(example[when])) for when in ("before", "after")]
    return Example("", example["text"], [("true word", example["truth"]), *facts])


def _top(predicted: list[list[Any]]) -> str:
    return ", ".join(f"{word} {share:.0%}" for word, share in predicted)
