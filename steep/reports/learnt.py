"""Which words does the adapted model guess better, and which worse? Its part of the page."""

from typing import Any

from steep.reports.blocks import Block, Example, Examples, Section, Table
from steep.reports.folder import RunFolder
from steep.reports.words import count, number


def sections(run: RunFolder, texts: bool) -> list[Section]:
    """Words and examples; without `texts` neither, since both are of the text."""
    found = run.look
    if found is None or not texts or not (found["words"] or found["examples"]):
        return []
    lead = (
        f"Guesses at {count(found['tokens'])} masked tokens of held-out documents, before and "
        f"after: the {count(found['words'])} words that were masked {found['least']} times or more "
        "are ranked by the mean change of their log probability (0 is certain). The extremes of "
        "so many overstate what was learnt of any one word."
    )
    if run.results.get("new_head"):
        lead += (
            ' The checkpoint had no masked-LM head: "before" is with the new head as it had learnt '
            "alone, before the encoder moved, and the head went on learning."
        )
    blocks: list[Block] = [
        _table(f"Words guessed {how}", found[how]) for how in ("better", "worse") if found[how]
    ]
    examples = [_example(example) for example in found["examples"]]
    note = "Those where the true word's probability rose most, and then where it fell."
    if examples:
        blocks.append(Examples("Guesses before and after", examples, note))
    return [Section("What it learnt", blocks, lead)]


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
    return Table(caption, ("word", "masked", "before", "after", "change"), "lrrrr", rows)


def _example(example: dict[str, Any]) -> Example:
    facts = [(when, _guesses(example[when])) for when in ("before", "after")]
    return Example("", example["text"], [("truth", example["truth"]), *facts])


def _guesses(guesses: list[list[Any]]) -> str:
    return ", ".join(f"{word} {share:.0%}" for word, share in guesses)
