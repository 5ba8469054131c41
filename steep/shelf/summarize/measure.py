"""How good are summaries, beside lead, TextRank, a random choice and the oracle? And where from?

All of them are as long as the rule says, but for the oracle, which is the labels. ROUGE is in
points; intervals are a bootstrap over documents.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steep.metrics.scores import percentiles
from steep.metrics.weighted import Draws, Support, mean
from steep.run_tables import PARTS, Table
from steep.seeds import numbers
from steep.shelf.summarize.choose import Labelled, Rule
from steep.shelf.summarize.facts import textrank
from steep.shelf.summarize.rouge import HEADLINE, NAMES, Sentences
from steep.wording import NOTHING, number, span

MODEL, LEAD, TEXTRANK, RANDOM, ORACLE = "model", "lead", "textrank", "random", "oracle"
BASELINES = (LEAD, TEXTRANK, RANDOM)
EXAMPLES = 3  # documents shown of the best, and of the worst
DECILES = 10
SHOWN = {"rouge1": "R-1", "rouge2": "R-2", "rougeL": "R-L", "rougeLsum": "R-Lsum"}

Picks = dict[str, list[list[int]]]
"""The sentences that each way chooses, of each document, in its order."""


def lead(words: Sentences) -> np.ndarray:
    """The first sentences score highest, float64 (sentences,)."""
    return -np.arange(len(words), dtype=float)


def baseline_picks(cases: Sequence[Labelled], rule: Rule, seed: int) -> Picks:
    """What lead, TextRank, chance and the oracle choose."""
    plain = Rule(rule.kind, rule.value)

    def drawn(case: Labelled) -> np.ndarray:
        return numbers(seed, "random summary", case.document.row).random(len(case.words))

    return {
        LEAD: model_picks(cases, plain, [lead(case.words) for case in cases]),
        TEXTRANK: model_picks(cases, plain, [textrank(case.words) for case in cases]),
        RANDOM: model_picks(cases, plain, [drawn(case) for case in cases]),
        ORACLE: [case.chosen for case in cases],
    }


def model_picks(
    cases: Sequence[Labelled], rule: Rule, scores: Sequence[np.ndarray]
) -> list[list[int]]:
    """The sentences that these scores choose of each document."""
    return [rule.choose(one, case.words) for case, one in zip(cases, scores, strict=True)]


def score_picks(cases: Sequence[Labelled], picks: Sequence[Sequence[int]]) -> np.ndarray:
    """ROUGE of each document's summary in points, float64 (documents, 4), as `rouge.NAMES`."""
    found = [case.referee.score(own) for case, own in zip(cases, picks, strict=True)]
    return 100 * np.array([[one[name] for name in NAMES] for one in found]).reshape(-1, len(NAMES))


def headline(scores: np.ndarray) -> np.ndarray:
    """The mean of ROUGE-1, -2 and -Lsum of each document, (documents,)."""
    return scores[:, [NAMES.index(name) for name in HEADLINE]].mean(1)


def worth(cases: Sequence[Labelled], rule: Rule, scores: Sequence[np.ndarray]) -> np.ndarray:
    """The headline of the summaries that these scores choose, (documents,)."""
    return headline(score_picks(cases, model_picks(cases, rule, scores)))


def summary_of(
    cases: Sequence[Labelled], rule: Rule, scores: Sequence[np.ndarray], draws: Draws
) -> dict[str, Any]:
    """What the summaries of a model are worth, as plain JSON, and some of them."""
    picks = {MODEL: model_picks(cases, rule, scores)} | baseline_picks(cases, rule, draws.seed)
    return measured(cases, picks, draws) | {"examples": examples(cases, picks, scores)}


def measured(cases: Sequence[Labelled], picks: Picks, draws: Draws) -> dict[str, Any]:
    """ROUGE of every way, what the model gains over each baseline, and positions, as plain JSON."""
    scores = {name: score_picks(cases, own) for name, own in picks.items()}
    words = {
        name: [sum(len(c.words[i]) for i in own) for c, own in zip(cases, of, strict=True)]
        for name, of in picks.items()
    }
    return {
        "documents": len(cases),
        "rouge": {
            name: {one: interval(own[:, at], draws) for at, one in enumerate(NAMES)}
            for name, own in scores.items()
        },
        "gains": {
            name: interval(headline(scores[MODEL]) - headline(scores[name]), draws)
            for name in BASELINES
        },
        "words": {name: float(np.mean(own)) for name, own in words.items()},
        "positions": {name: positions(cases, picks[name]) for name in (MODEL, ORACLE)},
    }


def interval(values: np.ndarray, draws: Draws) -> dict[str, float]:
    """The mean of a value of each document with its 95 % interval."""
    means = np.concatenate([mean(values)(w) for w in draws.weights(len(values))])
    low, high = percentiles(means, Support.of_rows(len(values)).level())
    return {"value": float(values.mean()), "low": float(low), "high": float(high)}


def positions(cases: Sequence[Labelled], picks: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Where chosen sentences stand: their mean place from 0 to 1, and their share by tenths."""
    places = [
        (i + 0.5) / len(case.words) for case, own in zip(cases, picks, strict=True) for i in own
    ]
    counts = np.histogram(places, DECILES, (0, 1))[0]
    return {
        "mean": float(np.mean(places)) if places else None,
        "tenths": (counts / max(1, counts.sum())).tolist(),
    }


def examples(
    cases: Sequence[Labelled], picks: Picks, scores: Sequence[np.ndarray]
) -> list[dict[str, Any]]:
    """The documents whose summaries are worst, and best, with all that a page shows of them."""
    own, first = (headline(score_picks(cases, picks[name])) for name in (MODEL, LEAD))
    order = np.argsort(own, kind="stable").tolist()
    shown = dict.fromkeys([*order[:EXAMPLES], *order[::-1][:EXAMPLES]])
    return [
        {
            "id": cases[i].document.id,
            "rouge": float(own[i]),
            "lead": float(first[i]),
            "sentences": cases[i].document.sentences,
            "scores": [round(float(score), 4) for score in scores[i]],
            "chosen": picks[MODEL][i],
            "oracle": picks[ORACLE][i],
        }
        for i in shown
    ]


def lines_of(found: Mapping[str, Any]) -> list[str]:
    """What was measured, a line for each way, and what the model gains."""
    lines = []
    for name, own in found["rouge"].items():
        parts = [f"{SHOWN[one]} {value['value']:.2f}" for one, value in own.items()]
        low, high = own["rouge1"]["low"], own["rouge1"]["high"]
        parts[0] += f" ({low:.2f} to {high:.2f})"
        lines.append(f"{name:9s} {', '.join(parts)}")
    for name, gain in found["gains"].items():
        lines.append(
            f"model against {name}: {gain['value']:+.2f} points of ROUGE (mean of R-1, R-2, "
            f"R-Lsum; 95 % interval {gain['low']:+.2f} to {gain['high']:+.2f})"
        )
    own, oracle = (found["positions"][name]["mean"] for name in (MODEL, ORACLE))
    if own is not None and oracle is not None:
        lines.append(
            f"mean position of chosen sentences, 0 first and 1 last: {own:.2f}; oracle {oracle:.2f}"
        )
    if lost := found.get("shuffled"):
        lines.append(
            f"sentences in random order: {lost['value']:+.2f} points of ROUGE "
            f"({lost['low']:+.2f} to {lost['high']:+.2f})"
        )
    return lines


def rouge_table(found: Mapping[str, Any], part: str) -> Table:
    """ROUGE of all ways in points, and what the model gains over them."""
    rows = []
    for name, own in found["rouge"].items():
        values = [number(own[key]["value"], 2) for key in SHOWN]
        told = [NOTHING, NOTHING]
        if gain := found["gains"].get(name):
            ends = span(gain["low"], gain["high"], sign=True)
            told = [number(gain["value"], 2, sign=True), ends]
        rows.append((name, *values, number(found["words"][name], 1), *told))
    columns = ("", *SHOWN.values(), "words", "gain of the model", "95 % interval")
    note = (
        "F measures in points, of stemmed words in English and of words elsewhere; Lsum with one "
        "sentence a line. Gains: mean of R-1, R-2 and R-Lsum, paired over documents. All but the "
        "oracle are as long as the summariser's rule says; the oracle's sentences are the labels."
    )
    caption = f"ROUGE on {found['documents']:,} {PARTS[part]} documents"
    return Table(caption, columns, "l" + "r" * 7, rows, note, strong=MODEL)
