"""What does a summariser choose, and how good is that? The pages of fit, evaluate and compare."""

from collections.abc import Mapping
from typing import Any

from steep.reports.blocks import Marked, Page, Section, Word
from steep.reports.folder import RunFolder, StagePage
from steep.reports.study_page import study_page
from steep.run_shapes import COUNT, NUMBER
from steep.run_tables import PARTS, Table
from steep.shapes import Each, Maybe
from steep.shelf.summarize import SummaryCompareArgs, SummaryEvaluateArgs, SummaryFitArgs
from steep.shelf.summarize.measure import DECILES, LEAD, MODEL, ORACLE, rouge_table
from steep.wording import NOTHING, capital, counted, listed, number, span

BOTH, CHOSEN, LEFT = "✓ ", "● ", "○ "
LEAD_IN = (
    "Documents whose summaries score lowest, then those that score highest. ● and a full line mark "
    "a sentence that was chosen, the stronger the colour the higher its score; ✓ one that is the "
    "oracle's, too; ○ and a dotted line one of the oracle's that was not chosen."
)


def page(run: RunFolder, texts: bool) -> Page:
    """The page of a summariser, on its test documents or else those of validation."""
    part = "test" if "test" in run.results else "valid"
    found = run.results[part]
    gain, rule = found["gains"][LEAD], run.results["rule_in_words"]
    better = "better than" if gain["low"] > 0 else "worse than" if gain["high"] < 0 else "like"
    own = found["rouge"][MODEL]["rouge1"]
    sections = [
        Section("ROUGE", [rouge_table(found, part)]),
        Section("Positions", [_positions(found)], _where(found)),
        Section("Documents", [_marked(one, texts) for one in found["examples"]], LEAD_IN),
    ]
    return Page(
        question="How good are the summaries?",
        answer=f"{capital(better)} lead",
        sentence=f"ROUGE-1 {number(own['value'], 2)} ({span(own['low'], own['high'])}) on "
        f"{counted(found['documents'], f'{PARTS[part]} document')}, in summaries of {rule}; "
        f"against the first sentences {number(gain['value'], 2, sign=True)} points of ROUGE "
        f"({span(gain['low'], gain['high'], sign=True)}).",
        sections=sections,
        muted=better != "better than",
    )


def _positions(found: Mapping[str, Any]) -> Table:
    tenths = [found["positions"][name]["tenths"] for name in (MODEL, ORACLE)]
    rows = [
        (f"{10 * i} to {10 * i + 10} %", *(f"{100 * own[i]:.1f} %" for own in tenths))
        for i in range(DECILES)
    ]
    columns = ("of the document", MODEL, ORACLE)
    return Table("Where chosen sentences stand", columns, "lrr", rows)


def _where(found: Mapping[str, Any]) -> str:
    own, oracle = (number(found["positions"][name]["mean"], 2) for name in (MODEL, ORACLE))
    told = f"Mean place, from 0 (first) to 1 (last): {own}, the oracle's {oracle}."
    if lost := found.get("shuffled"):
        change = number(lost["value"], 2, sign=True)
        ends = span(lost["low"], lost["high"], sign=True)
        told += f" With sentences in random order: {change} points of ROUGE ({ends})."
    return told


def _marked(one: Mapping[str, Any], texts: bool) -> Marked:
    chosen, oracle = set(one["chosen"]), set(one["oracle"])
    facts = [("ROUGE", number(one["rouge"], 2)), ("lead", number(one["lead"], 2))]
    words = [
        _sentence(text, score, i in chosen, i in oracle)
        for i, (text, score) in enumerate(zip(one["sentences"], one["scores"], strict=True))
    ]
    told = [
        f"{what}: {listed([str(i + 1) for i in sorted(numbers)]) or NOTHING}"
        for what, numbers in (("sentences chosen", chosen), ("the oracle's", oracle))
    ]
    alt = capital("; ".join(told)) + "."
    return Marked(f"Document {one['id']}", facts, [words] if texts else [], alt)


def _sentence(text: str, score: float, chosen: bool, oracle: bool) -> Word:
    """A sentence with its sign; a share above 0 draws a full line, one below a dotted line."""
    sign = BOTH if chosen and oracle else CHOSEN if chosen else LEFT if oracle else ""
    share = max(0.05, score) if chosen else -0.05 if oracle else 0.0
    return Word(f"{sign}{text} ", share, f"score {number(score, 2)}")


ENDS = dict.fromkeys(("value", "low", "high"), NUMBER)
PLACE = {"mean": Maybe(NUMBER), "tenths": [NUMBER]}
MEASURED = {
    "documents": COUNT,
    "rouge": Each(Each(ENDS)),
    "gains": Each(ENDS),
    "words": Each(NUMBER),
    "positions": {MODEL: PLACE, ORACLE: PLACE},
    "shuffled?": ENDS,
    "examples": [
        {"id": str, "rouge": NUMBER, "lead": NUMBER, "sentences": [str]}
        | {"scores": [NUMBER], "chosen": [COUNT], "oracle": [COUNT]}
    ],
}
FITTED = {"rule_in_words": str, "valid?": MEASURED, "test?": MEASURED}
PAGES = {
    "summarize fit": StagePage(SummaryFitArgs, page, FITTED),
    "summarize compare": StagePage(SummaryCompareArgs, study_page),
    "summarize evaluate": StagePage(SummaryEvaluateArgs, page, FITTED | {"test": MEASURED}),
}
