"""Has base learnt anything? A look after its first seed: if not, step 2 cannot be judged yet."""

from typing import Any

from steep.data.budget import within
from steep.metrics.scores import higher_is_better
from steep.metrics.summary import CONSTANT, beside, constant, named, own_value
from steep.metrics.weighted import Draws
from steep.run_shapes import NOT_VALID
from steep.study.arms import BASE
from steep.study.cells import kept_cell
from steep.study.design import Cell, Study
from steep.study.verdict import CellResult
from steep.wording import number, span

AGAIN = (
    "The same command with other values of these starts the study anew; --keep-going goes on as "
    "it is."
)
LONGER = f"More --epochs or another --learning-rate may help. {AGAIN}"
SLOWER = f"A lower --learning-rate or more --warmup-ratio may help. {AGAIN}"


def first_cell(study: Study) -> Cell:
    """The cell of base that is looked at: its first seed, with the most labels."""
    return Cell(BASE, study.design.seeds[0], study.design.budgets[-1])


def nothing_learnt(study: Study) -> dict[str, Any] | None:
    """The verdict "not valid yet" where base is no better than a constant, beyond noise.

    None where it is better, or its first cell is not there, because it failed.
    """
    cell, task = first_cell(study), study.data.labelled()
    if not cell.is_kept(study.out):
        return None
    found, looked = kept_cell(cell, study.out, task, study.test.rows()), None
    if not found.diverged:
        looked = _beside_constant(study, found)
        if looked["skill"]:
            return None
    value = None if looked is None else own_value(looked)
    values = [] if value is None else [value]
    seeds = [cell.seed] * len(values)
    arm = {"values": values, "seeds": seeds, "mean": value, "sd": None, "seconds": found.seconds}
    sentence = _sentence(study, looked)
    return {
        "answer": NOT_VALID,
        "sentence": sentence,
        "paragraph": f"{sentence} {LONGER if looked else SLOWER}",
        "metric": study.metric,
        "higher_is_better": higher_is_better(study.metric),
        "smallest_effect": study.args.study.smallest_effect,
        "rows": len(study.test),
        "arms": {BASE: arm},
        "comparisons": [],
        "budgets": [],
        "worth_labels": [],
        "warnings": [],
    }


def _beside_constant(study: Study, found: CellResult) -> dict[str, Any]:
    """A cell of base beside the constant that knows its labels (`steep.metrics.summary`)."""
    task, test, seed = study.data.labelled(), study.test, study.args.seed.seed
    train = within(study.data, found.labels, found.seed).train
    known = {CONSTANT: (task, constant(task, train.labels(), len(test)))}
    draws = Draws(seed=seed, groups=test.group_codes())
    return beside(test.labels(), (task, found.probabilities), known, study.metric, draws)


def _sentence(study: Study, looked: dict[str, Any] | None) -> str:
    seed, end = study.design.seeds[0], "so nothing can be said of step 2 yet"
    if looked is None:
        return f"Not valid yet: the training of base diverged (seed {seed}), {end}."
    metric, gain = study.metric, looked["baselines"][CONSTANT]
    found = (
        f"Not valid yet: base has learnt nothing (seed {seed}), {end}: on {len(study.test):,} test "
        f"rows it is no better than {named(CONSTANT, metric)}"
    )
    if gain["low"] is None:
        return f"{found}."
    return (
        f"{found} ({metric} {number(own_value(looked))} against {number(gain['value'])}, gain with "
        f"95 % interval {span(gain['low'], gain['high'], sign=True)})."
    )
