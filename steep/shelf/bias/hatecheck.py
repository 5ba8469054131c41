"""Which functions does a classifier of hate fail at? HateCheck's cases, by functionality and group.

Röttger, Vidgen, Nguyen, Waseem, Margetts & Pierrehumbert 2021, "HateCheck: functional tests for
hate speech detection models" (ACL): short cases of one template each, hateful or not, of which some
are minimal edits of others. Its label is hate, which is not all that is toxic.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.weighted import Draws as Plain
from steep.shelf.bias.identities import cells_of
from steep.shelf.bias.resamples import Draws, Sample
from steep.shelf.bias.swaps import mean_entry
from steep.wording import quoted

TEXT, LABEL, TEMPLATE = "test_case", "label_gold", "templ_id"
COLUMNS = ("functionality", "case_id", TEXT, LABEL, "target_ident", "ref_case_id", TEMPLATE)
HATEFUL, OTHER = "hateful", "non-hateful"
FEW = 20  # cases of a functionality below which nothing is said


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
    labels = cells[LABEL]
    if wrong := next((label for label in labels if label not in (HATEFUL, OTHER)), None):
        raise SteepError(
            f"{where}, column '{LABEL}': expected {HATEFUL} or {OTHER}, not {quoted(wrong)}."
        )
    targets = [target or "" for target in cells["target_ident"]]
    groups = tuple(sorted({*targets} - {""}))
    frame = pd.DataFrame({TEXT: cells[TEXT], LABEL: [label == HATEFUL for label in labels]})
    frame[LABEL] = frame[LABEL].astype(int)
    frame[TEMPLATE] = [name or str(row) for row, name in enumerate(cells[TEMPLATE])]
    for group in groups:
        if group in frame:
            raise SteepError(f"{where}: a group is called {quoted(group)}, as a column is.")
        frame[group] = [int(target == group) for target in targets]
    if not all((text or "").strip() for text in cells[TEXT]):
        raise SteepError(f"{where}, column '{TEXT}': some cases have no text.")
    place = {case: row for row, case in enumerate(cells["case_id"])}
    pairs = [
        (row, place[ref])
        for row, ref in enumerate(map(_whole, cells["ref_case_id"]))
        if ref in place and labels[row] != labels[place[ref]]
    ]
    functionality = np.array(cells["functionality"], object)
    return Cases(frame, groups, functionality, np.array(pairs, np.int64).reshape(-1, 2))


def _whole(number: str | None) -> str:
    """A number as pandas wrote it, 7.0, as it is in its own column, 7."""
    return (number or "").removesuffix(".0")


def hatecheck_findings(
    cases: Cases, sample: Sample, scores: np.ndarray, decided: np.ndarray, draws: Draws
) -> dict[str, Any]:
    """Accuracy by functionality and by group, and of pairs of minimal edits, as plain JSON.

    scores: float64 (n,); decided: bool (n,). Cases of one template are drawn together.
    """
    right = (decided == sample.truth).astype(np.float64)
    plain = Plain(draws.resamples, draws.seed)

    def of(values: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        clusters = None if sample.clusters is None else sample.clusters[rows]
        return {"rows": len(rows)} | mean_entry(values, clusters, plain)

    functions = [
        {"name": str(name), "hateful": bool(sample.truth[rows[0]])} | of(right[rows], rows)
        for name in dict.fromkeys(cases.functionality)
        if len(rows := np.flatnonzero(cases.functionality == name)) >= FEW
    ]
    groups = [
        {"name": name, "hateful": hateful} | of(right[rows], rows)
        for i, name in enumerate(sample.names)
        for hateful in (True, False)
        if len(rows := np.flatnonzero(sample.groups[:, i] & (sample.truth == hateful))) >= FEW
    ]
    found: dict[str, Any] = {"functions": functions, "groups": groups, "pairs": None}
    if len(pairs := cases.pairs) >= FEW:
        both = right[pairs].min(axis=1)
        signs = np.where(sample.truth[pairs[:, 0]], 1.0, -1.0)
        ahead = signs * (scores[pairs[:, 0]] - scores[pairs[:, 1]])
        order = (ahead > 0) + 0.5 * (ahead == 0)
        found["pairs"] = {"both_right": of(both, pairs[:, 0]), "in_order": of(order, pairs[:, 0])}
    return found
