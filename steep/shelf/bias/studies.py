"""What does a study say of bias? Each arm on the test rows, over all seeds, beside the verdict."""

import shlex
from pathlib import Path

import numpy as np
import pandas as pd

from steep import runs
from steep.args.kept import kept_options
from steep.args.table import TableArgs
from steep.console import say_next, tell
from steep.data.corpus import Corpus, Task
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.predictions import EXCERPT
from steep.models.trained import Trained
from steep.openings import CompareCommand
from steep.options import change
from steep.reports.folder import StudyFolder, read_folder
from steep.reports.page import STAGES
from steep.run_shapes import NOT_VALID
from steep.shelf.bias import BiasArgs
from steep.shelf.bias.bias import corpus_for, examined, read_rows, scored
from steep.shelf.bias.findings import Found
from steep.shelf.bias.told import lines_of
from steep.study.arms import BASE
from steep.study.cells import outputs_in


def examine(source: Source, out: Path, args: CompareCommand) -> Path:
    """Examine the study in `out` that has its verdict, if it was asked what rows mention."""
    asked, verdict = args.identity.identities or args.identity.terms, out / runs.VERDICT
    if not asked or args.core.plan.dry_run or not verdict.is_file():
        return out
    if runs.read_json(verdict)["answer"] != NOT_VALID:
        own = BiasArgs(target=args.core.table.target, identity=args.identity)
        bias_of_study(out, args.core.split.files.test or source, own)
    return out


def bias_of_study(folder: Path, source: Source, args: BiasArgs) -> Found:
    """The bias of each arm of a study on its test rows, kept in its folder for its report.

    Raises SteepError where rows or texts of `source` are not those that the study was tested on.
    """
    if args.bias.swap or args.bias.folds or args.bias.card:
        raise SteepError("A study keeps no models: leave --swap, --folds and --card out.")
    study = read_folder(folder, STAGES)
    assert isinstance(study, StudyFolder)
    tables = _predictions(study)
    seeds = sorted(set.intersection(*(set(of) for of in tables.values()))) if tables else []
    if not seeds or BASE not in tables:
        raise SteepError(f"{study.name}: no seed has finished cells of all arms. Run it again.")
    kind, names = (study.manifest["task"][key] for key in ("kind", "labels"))
    table = kept_options(TableArgs, study.manifest["args"], str(folder / runs.STUDY))
    stand_in = Trained(folder, Task(kind, tuple(names)), table, 0, "head")
    args = change(args, {"group": args.groups.group or table.groups.group})
    tested = _tested(corpus_for(source, stand_in, args), tables[BASE][seeds[0]], study.name)
    rows = read_rows(source, tested, stand_in, args)
    known = np.isin(tested.rows(), rows.corpus.rows())
    arms = []
    for arm in sorted(tables, key=lambda name: name != BASE):
        outputs = [outputs_in(tables[arm][seed], stand_in.task, folder)[known] for seed in seeds]
        arms.append(scored(arm, stand_in.task, outputs, rows, args))
    found = examined(rows, arms, args)
    for line in lines_of(found):
        tell(line)
    runs.write_json(folder / runs.BIAS, found)
    say_next(shlex.join(["steep", "report", str(folder)]))
    return found


def _predictions(study: StudyFolder) -> dict[str, dict[int, pd.DataFrame]]:
    """Those of the finished cells, by arm and seed."""
    return {
        arm: {
            cell.seed: cell.predictions
            for cell in study.of(arm)
            if cell.predictions is not None and not cell.facts.get("diverged")
        }
        for arm in study.arms
    }


def _tested(corpus: Corpus, predictions: pd.DataFrame, study: str) -> Corpus:
    """The rows that were predicted, in their order; SteepError where they are others."""
    places = {str(row): place for place, row in enumerate(corpus.rows())}
    at = [places.get(row, -1) for row in predictions["row"]]
    texts = corpus.table["text"][:]
    shown = predictions["text"] if "text" in predictions else [texts[i][:EXCERPT] for i in at]
    for row, place, text in zip(predictions["row"], at, shown, strict=True):
        if place < 0 or texts[place][:EXCERPT].split() != text.split():
            raise SteepError(
                f"{corpus.source}: row {int(row) + 1:,} is not the one that {study} was tested on. "
                "Name the file with the test rows of the study."
            )
    return corpus.take(np.array(at, np.int64))
