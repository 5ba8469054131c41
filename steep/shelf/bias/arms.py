"""Which arms of a study lessen unintended bias? Adapted, each with one change of mitigate.py."""

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
from steep.options import as_mapping, change
from steep.shelf.bias.made_texts import swapped
from steep.shelf.bias.mentions import output_of, read_identities
from steep.shelf.bias.mitigate import Mitigation, plan_of
from steep.study import arms
from steep.study.arms import Arm, CellInput, CellOutput, Step2Job


def arms_of(source: Source | Data, args: CompareCommand) -> list[Arm]:
    """The arms weighted, balanced, swapped and identity-outputs: adapted, each with one change.

    Where it is not known what rows mention they refuse to run.
    """
    asked, table, how, plan = args.identity, args.core.table, args.mitigation, None
    label, test = table.target.label, args.core.split.files.test
    if asked.identities or asked.terms:  # what is wrong is said before anything is trained
        if "," in (label or "") and asked.positive is None:
            raise SteepError(f"label {label}: of several labels name the harmful one: --positive.")
        plan = plan_of(source, table, asked, how)
        if test is not None:
            read_identities(test, asked, label, table.columns.unit)
    scheme = how.bias_weights if how.bias_weights != "none" else "kernel"
    kinds = {
        "weighted": ("rows weighted by label and mention", MitigationArgs(bias_weights=scheme)),
        "balanced": (
            "harmless texts that mention groups added",
            MitigationArgs(balance=how.balance),
        ),
        "swapped": (
            "copies with swapped terms added, in step 2, too",
            MitigationArgs(swap_terms=True),
        ),
        "identity-outputs": ("a label for each group", MitigationArgs(identity_outputs=True)),
    }
    return [
        _arm(name, about, plan and replace(plan, how=kind)) for name, (about, kind) in kinds.items()
    ]


def _arm(name: str, about: str, plan: Mitigation | None) -> Arm:
    check = partial(check_mitigated, plan, name)
    if plan is None:
        return Arm(name, "", arms.fine_tune, check=check)
    return Arm(
        name,
        f"adapted; {about}",
        fit=partial(fit_mitigated, plan),
        pretrain=partial(pretrain_swapped, plan) if name == "swapped" else arms.pretrain_further,
        check=check,
        options=as_mapping(plan.asked) | as_mapping(plan.how),
    )


def check_mitigated(plan: Mitigation | None, name: str, cell: CellInput) -> None:
    """Raises SteepError where an arm lacks what it needs."""
    if plan is None or (name == "balanced" and plan.how.balance is None):
        more = " and --balance PILE" if name == "balanced" else ""
        raise SteepError(f"the arm {name} needs --identities or --terms{more}.")
    arms.check_learner(replace(cell, data=plan.applied(cell.data, cell.seed)))


def fit_mitigated(plan: Mitigation, cell: CellInput) -> CellOutput:
    """Step 3 on other training rows; of further labels only the harmful one is told."""
    data = plan.applied(cell.data, cell.seed)
    if not plan.how.identity_outputs:
        return arms.fine_tune(replace(cell, data=data))
    tune = change(cell.tune, {"head_init": "random"})  # several labels have no class means
    found = arms.fine_tune(replace(cell, data=data, tune=tune, metric=primary(data.labelled())))
    at = output_of(cell.data.labelled(), plan.asked.positive, plan.label)
    order = [1, 0] if at == 1 else [0, 1]
    valid, test = (
        np.column_stack([p[:, 0], 1 - p[:, 0]])[:, order] for p in (found.valid, found.test)
    )
    return CellOutput(valid, test, found.history)


def pretrain_swapped(plan: Mitigation, job: Step2Job) -> None:
    """Step 2 that also reads the training texts with their terms swapped."""
    made = swapped(job.data.train.whole(), plan.terms_for("swapped"))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "swapped.csv"
        runs.write_csv(file, [{"text": text} for text in made.texts])
        arms.pretrain_further(replace(job, files=(*job.files, file)))
