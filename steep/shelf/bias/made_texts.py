"""What do texts say that were made for it? Terms swapped for each other, and HateCheck's cases.

Swaps: Garg, Perot, Limtiaco, Taly, Chi & Beutel 2019, "Counterfactual fairness in text
classification through robustness" (AIES), section 4: the gap of a text is the mean of |f(x) -
f(x')| over its swaps x'. Some make no sense (a term that is an insult by itself); so texts that
mention several groups, or a word of [skip], are left out, and harmful texts are shown apart.

HateCheck: Röttger, Vidgen, Nguyen, Waseem, Margetts & Pierrehumbert 2021, "HateCheck: functional
tests for hate speech detection models" (ACL): short cases of one template each, hateful or not, of
which some are minimal edits of others. Its label is hate, which is not all that is toxic.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.weighted import Draws
from steep.options import change
from steep.shelf.bias import BiasArgs
from steep.shelf.bias.findings import FEW, Found, Scored, mean_entry
from steep.shelf.bias.measures import Sample
from steep.shelf.bias.mentions import Terms, cells_of, composed, pattern_of, read_terms
from steep.wording import quoted

TEXT, LABEL, TEMPLATE, TARGET = "test_case", "label_gold", "templ_id", "target_ident"
COLUMNS = ("functionality", "case_id", TEXT, LABEL, TARGET, "ref_case_id", TEMPLATE)
HATEFUL, OTHER = "hateful", "non-hateful"


@dataclass(frozen=True)
class Swaps:
    """Swapped `texts`; of each the row that it was made of, int64 (m,), and (axis, from, to).

    `skipped` counts the rows that mention a group of an axis, and are not swapped.
    """

    texts: list[str]
    rows: np.ndarray
    ways: list[tuple[str, str, str]]
    skipped: int


def swap_terms(args: BiasArgs) -> Terms:
    """The terms that are swapped; SteepError where there are none."""
    if args.identity.terms is None or args.bias.folds:
        raise SteepError(
            "swap: needs words, with --terms FILE.toml, and fitted models, without --folds."
        )
    terms = read_terms(args.identity.terms)
    if not terms.axes:
        raise SteepError(f"{args.identity.terms}: to swap terms, it needs a table [swap.NAME].")
    return terms


def swapped(texts: Sequence[str], terms: Terms) -> Swaps:
    """The texts that mention one group of one axis, with each other group in its place."""
    patterns = {
        (axis, group): pattern_of(forms)
        for axis, groups in terms.axes.items()
        for group, forms in groups.items()
    }
    never = pattern_of(terms.skip) if terms.skip else None
    made, rows, ways, skipped = [], [], [], 0
    for row, text in enumerate(map(composed, texts)):
        found = [place for place, pattern in patterns.items() if pattern.search(text)]
        if len(found) != 1 or (never is not None and never.search(text)):
            skipped += bool(found)
            continue
        axis, group = found[0]
        for other in (name for name in terms.axes[axis] if name != group):
            forms = zip(terms.axes[axis][group], terms.axes[axis][other], strict=True)
            made.append(exchanged(text, patterns[axis, group], [*forms]))
            rows.append(row)
            ways.append((axis, group, other))
    return Swaps(made, np.array(rows, np.int64), ways, skipped)


def exchanged(text: str, pattern: re.Pattern[str], forms: Sequence[tuple[str, str]]) -> str:
    """The text with the second of `forms` where the first one stands; its case stays."""
    # By patterns: which letters differ in case alone (the Turkish ones with and without a dot) is
    # for the one who found the word to say.
    others = [(pattern_of([form]), other) for form, other in forms]

    def other_of(found: re.Match[str]) -> str:
        word = found[0]
        other = next(other for form, other in others if form.fullmatch(word))
        if word.isupper() and len(word) > 1:
            return other.upper()
        return other[:1].upper() + other[1:] if word[:1].isupper() else other

    return pattern.sub(other_of, text)


def swap_findings(swaps: Swaps, sample: Sample, arm: Scored, other: Scored, draws: Draws) -> Found:
    """{"rows", "swaps", "skipped", "by_label", "ways"}: changes of the score, as plain JSON.

    `other` are the scores of the swapped texts.
    """
    change = other.scores[0] - arm.scores[0, swaps.rows]
    flipped = other.decided[0] != arm.decided[0, swaps.rows]
    rows, place, times = np.unique(swaps.rows, return_inverse=True, return_counts=True)
    means = {"gap": np.abs(change), "flips": flipped}  # of a row over its swaps
    means = {name: np.bincount(place, values) / times for name, values in means.items()}
    by_label, ways = {}, []
    for name, kind in (("harmless", ~sample.truth[rows]), ("harmful", sample.truth[rows])):
        if kind.any():
            by_label[name] = {"rows": int(kind.sum())} | {
                n: _mean(values[kind], rows[kind], sample, draws) for n, values in means.items()
            }
    for axis, group, to in sorted({*swaps.ways}):
        mine = np.array([way == (axis, group, to) for way in swaps.ways])
        if (mine := mine & ~sample.truth[swaps.rows]).any():
            way = {"axis": axis, "from": group, "to": to, "rows": int(mine.sum())}
            ways.append(way | {"shift": _mean(change[mine], swaps.rows[mine], sample, draws)})
    counts = {"rows": len(rows), "swaps": len(swaps.texts), "skipped": swaps.skipped}
    return counts | {"by_label": by_label, "ways": ways}


def _mean(values: np.ndarray, rows: np.ndarray, sample: Sample, draws: Draws) -> Found:
    """The mean of the values of these rows, with its interval."""
    return mean_entry(values, None if sample.clusters is None else sample.clusters[rows], draws)


@dataclass(frozen=True)
class Cases:
    """HateCheck as a table: `frame` has text, label, template, and a 0/1 column for each group."""

    frame: pd.DataFrame
    groups: tuple[str, ...]
    functionality: np.ndarray
    pairs: np.ndarray
    """Positions of a case and of the one with another label that it is an edit of, (pairs, 2)."""


def read_cases(source: Source) -> Cases:
    """The cases in HateCheck's file; SteepError where it is none."""
    where, cells = cells_of(source, COLUMNS, "auto")
    labels = [label or "" for label in cells[LABEL]]
    wrong = next((label for label in labels if label not in (HATEFUL, OTHER)), None)
    if wrong is not None:
        raise SteepError(
            f"{where}, column '{LABEL}': expected {HATEFUL} or {OTHER}, not {quoted(wrong)}."
        )
    if not all((text or "").strip() for text in cells[TEXT]):
        raise SteepError(f"{where}, column '{TEXT}': some cases have no text.")
    groups = tuple(sorted({target for target in cells[TARGET] if target}))
    frame = pd.DataFrame({TEXT: cells[TEXT], LABEL: [int(label == HATEFUL) for label in labels]})
    frame[TEMPLATE] = [name or str(row) for row, name in enumerate(cells[TEMPLATE])]
    for group in groups:
        if group in frame:
            raise SteepError(f"{where}: a group is called {quoted(group)}, as a column is.")
        frame[group] = [int(target == group) for target in cells[TARGET]]
    place = {case: row for row, case in enumerate(cells["case_id"])}
    # Numbers with gaps are written 7.0 by pandas, and 7 in their own column.
    refs = [place.get((ref or "").removesuffix(".0")) for ref in cells["ref_case_id"]]
    pairs = [
        (row, ref) for row, ref in enumerate(refs) if ref is not None and labels[row] != labels[ref]
    ]
    functionality = np.array(cells["functionality"], object)
    return Cases(frame, groups, functionality, np.array(pairs, np.int64).reshape(-1, 2))


def options_for(cases: Cases, args: BiasArgs) -> BiasArgs:
    """The options that read HateCheck's table."""
    if args.identity.identities or args.identity.terms or args.bias.folds:
        raise SteepError(
            f"hatecheck: its groups are those of the column {TARGET}. Leave --identities, --terms "
            "and --folds out."
        )
    own = {"text": TEXT, "label": LABEL, "group": TEMPLATE, "identities": ",".join(cases.groups)}
    return change(args, own)


def hatecheck_findings(cases: Cases, sample: Sample, arm: Scored, draws: Draws) -> Found:
    """Accuracy by functionality and by group, and of pairs of minimal edits, as plain JSON.

    Of what has `FEW` cases or more. Cases of one template are drawn together.
    """
    right = (arm.decided[0] == sample.truth).astype(np.float64)

    def accuracy(name: str, rows: np.ndarray) -> list[Found]:
        if len(rows) < FEW:
            return []
        facts = {"name": name, "hateful": bool(sample.truth[rows[0]]), "rows": len(rows)}
        return [facts | _mean(right[rows], rows, sample, draws)]

    functions = dict.fromkeys(cases.functionality)
    kinds = [(i, truth) for i in range(len(sample.names)) for truth in (True, False)]
    found: Found = {"functions": [], "groups": [], "pairs": None}
    for name in functions:
        found["functions"] += accuracy(str(name), np.flatnonzero(cases.functionality == name))
    for i, truth in kinds:
        rows = np.flatnonzero(sample.groups[:, i] & (sample.truth == truth))
        found["groups"] += accuracy(sample.names[i], rows)
    if len(pairs := cases.pairs) >= FEW:
        signs = np.where(sample.truth[pairs[:, 0]], 1.0, -1.0)
        ahead = signs * (arm.scores[0, pairs[:, 0]] - arm.scores[0, pairs[:, 1]])
        of = {"both_right": right[pairs].min(axis=1), "in_order": (np.sign(ahead) + 1) / 2}
        found["pairs"] = {
            name: {"rows": len(pairs)} | _mean(values, pairs[:, 0], sample, draws)
            for name, values in of.items()
        }
    return found
