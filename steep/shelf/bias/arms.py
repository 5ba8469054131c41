"""Which arms of a study lessen unintended bias, perhaps? Adapted, each with one change."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from steep import runs
from steep.data.corpus import Data
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.scores import primary
from steep.openings import CompareCommand, MitigationArgs
from steep.options import as_mapping
from steep.shelf.bias.identities import read_identities
from steep.shelf.bias.mitigate import Mitigation, plan_of
from steep.shelf.bias.scored import output_of
from steep.shelf.bias.swaps import swapped
from steep.study.arms import (
    Arm,
    CellInput,
    CellOutput,
    Step2Job,
    check_learner,
    fine_tune,
    pretrain_further,
)

ABOUT = {
    "weighted": "rows weighted by label and mention",
    "balanced": "balanced with harmless texts that mention groups",
    "swapped": "and step 2 with copies whose terms are swapped",
    "identity-outputs": "with a label for each group",
}


def arms_of(source: Source | Data, args: CompareCommand) -> list[Arm]:
    """The arms weighted, balanced, swapped and identity-outputs: adapted, each with one change.

    Where it is not known what rows mention they refuse to run.
    """
    asked, table, how, plan = args.identity, args.core.table, args.mitigation, None
    label, test = table.target.label, args.core.split.files.test
    if asked.identities or asked.terms:  # what is wrong is said before anything is trained
        if "," in (label or "") and asked.positive is None:
            raise SteepError(f"label {label}: of several labels name the harmful one: --positive.")
        plan = plan_of(source, label, table.columns, asked, how)
        if test is not None:
            read_identities(test, asked, label, table.columns.unit)
    scheme = how.bias_weights if how.bias_weights != "none" else "kernel"
    kinds = {
        "weighted": MitigationArgs(bias_weights=scheme),
        "balanced": MitigationArgs(balance=how.balance),
        "swapped": MitigationArgs(swap_terms=True),
        "identity-outputs": MitigationArgs(identity_outputs=True),
    }
    return [_arm(name, replace(plan, how=kind) if plan else None) for name, kind in kinds.items()]


def _arm(name: str, plan: Mitigation | None) -> Arm:
    if plan is None:
        return Arm(name, "", fine_tune, check=partial(check_mitigated, None, name))
    return Arm(
        name,
        f"adapted, its training {ABOUT[name]}",
        fit=partial(fit_mitigated, plan),
        pretrain=partial(pretrain_swapped, plan) if name == "swapped" else pretrain_further,
        check=partial(check_mitigated, plan, name),
        options=as_mapping(plan.asked) | as_mapping(plan.how),
    )


def check_mitigated(plan: Mitigation | None, name: str, cell: CellInput) -> None:
    """Raises SteepError where an arm lacks what it needs."""
    if plan is None or (name == "balanced" and plan.how.balance is None):
        more = " and --balance PILE" if name == "balanced" else ""
        raise SteepError(f"the arm {name} needs --identities or --terms{more}.")
    check_learner(replace(cell, data=plan.applied(cell.data, cell.seed)))


def fit_mitigated(plan: Mitigation, cell: CellInput) -> CellOutput:
    """Step 3 on other training rows; of further labels only the harmful one is told."""
    task = cell.data.labelled()
    data = plan.applied(cell.data, cell.seed)
    if not plan.how.identity_outputs:
        return fine_tune(replace(cell, data=data))
    found = fine_tune(replace(cell, data=data, metric=primary(data.labelled())))
    first = output_of(task, plan.asked.positive, plan.label) == 0
    both = [np.column_stack([1 - p[:, 0], p[:, 0]]) for p in (found.valid, found.test)]
    valid, test = (one[:, ::-1] if first else one for one in both)
    return CellOutput(valid, test, found.history)


def pretrain_swapped(plan: Mitigation, job: Step2Job) -> None:
    """Step 2 that also reads the training texts with their terms swapped."""
    made = swapped(job.data.train.whole(), plan.terms_for("swapped"))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "swapped.csv"
        runs.write_csv(file, [{"text": text} for text in made.texts])
        pretrain_further(replace(job, files=(*job.files, file)))
