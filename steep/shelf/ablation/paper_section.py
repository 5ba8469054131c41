"""How does a study look beside the paper's table that it repeats? A section of its report."""

from typing import Any

from steep.errors import SteepError
from steep.reports.blocks import Notes, Section
from steep.reports.folder import RunFolder, StudyFolder
from steep.run_shapes import NOT_VALID
from steep.run_tables import Table
from steep.shelf.ablation.tables import Ablation, read_ablation
from steep.study.arms import ADAPTED, BASE
from steep.wording import NOTHING, chance, number, plain, span

TITLE = "Beside the paper"
LEAD = (
    "{paper}. Figures of the paper: {figures}; in brackets their gain over its base, in points, "
    "positive where the arm is better. They are of other checkpoints, rows and budgets: "
    "compare the order of the arms, not the values."
)
NOTE = (
    "A gain over base is what an arm adds to the checkpoint without step 2; adapted over an arm is "
    "what the whole recipe adds to it. 95 % intervals over seeds and test rows, p-values after "
    "Holm's correction for all comparisons but the answer's."
)


def paper_section(found: RunFolder | StudyFolder, texts: bool) -> Section | None:
    """The section on the paper's table; None where a study is no ablation, or not finished."""
    name = found.manifest["args"].get("ablation")
    if not isinstance(found, StudyFolder) or name is None or found.verdict is None:
        return None
    if found.verdict["answer"] == NOT_VALID:
        return None
    try:
        ablation = read_ablation(name)
    except SteepError as error:  # the user's own file, moved since
        return Section(TITLE, [Notes("The paper's figures cannot be shown", [str(error)])])
    blocks = [paper_table(found.verdict, ablation)]
    notes = [Notes("What differs from the paper", list(ablation.notes))] if ablation.notes else []
    lead = LEAD.format(paper=ablation.paper, figures=ablation.figures)
    return Section(TITLE, [*blocks, *notes], lead)


def paper_table(verdict: dict[str, Any], ablation: Ablation) -> Table:
    """The arms of the study in the paper's order, with the paper's figures beside them."""
    pairs = {(c["arm"], c["against"]): c for c in verdict["comparisons"]}
    rows = [
        (
            arm,
            row.place,
            number(verdict["arms"][arm]["mean"]),
            *_gain(pairs.get((arm, BASE))),
            *_gain(pairs.get((ADAPTED, arm)) if arm != BASE else None),
            *(_published(ablation, arm, column) for column in range(len(ablation.columns))),
        )
        for arm, row in ablation.rows.items()
        if arm in verdict["arms"]
    ]
    ours = (plain(verdict["metric"]), "gain over base", "p (Holm)", "adapted over it", "p (Holm)")
    return Table(
        caption="The paper's arms on these rows",
        columns=("arm", "in the paper", *ours, *ablation.columns),
        align="ll" + "r" * (len(ours) + len(ablation.columns)),
        rows=rows,
        note=NOTE,
        strong=ADAPTED,
    )


def _published(ablation: Ablation, arm: str, column: int) -> str:
    """The paper's figure, with its gain over the paper's base."""
    figure, gain = ablation.rows[arm].paper[column], ablation.published_gain(arm, column)
    return figure or NOTHING if gain is None else f"{figure} ({number(gain, 2, sign=True)})"


def _gain(comparison: dict[str, Any] | None) -> tuple[str, str]:
    """A gain with its interval, and its corrected p-value (that of the answer, where it is one)."""
    if comparison is None:
        return NOTHING, NOTHING
    ends = span(comparison["low"], comparison["high"], sign=True)
    gain = number(comparison["gain"], sign=True)
    p = comparison["p_value"] if comparison["p_holm"] is None else comparison["p_holm"]
    return (gain if ends == NOTHING else f"{gain} ({ends})"), chance(p)
