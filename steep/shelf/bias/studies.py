"""What does a study say of bias? Each arm on the test rows, over all seeds, beside the verdict."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from steep import runs
from steep.args.kept import kept_options
from steep.args.table import TableArgs
from steep.console import say_next, tell
from steep.data.corpus import Corpus, Task
from steep.data.load import read_table
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.predictions import EXCERPT
from steep.models.trained import Trained
from steep.openings import CompareCommand
from steep.options import change
from steep.reports.folder import StudyCell, StudyFolder, read_folder
from steep.reports.page import STAGES
from steep.run_shapes import NOT_VALID
from steep.shelf.bias import BiasArgs
from steep.shelf.bias.bias import Found, examined, read_rows
from steep.shelf.bias.findings import Scored
from steep.shelf.bias.scored import chosen, output_of
from steep.shelf.bias.sentences import lines_of
from steep.stages.predict import table_for
from steep.study.arms import BASE


def examine(source: Source, out: Path, args: CompareCommand) -> Path:
    """Examine the study in `out` that has its verdict, if it was asked what rows mention."""
    asked = args.identity.identities or args.identity.terms
    if not asked or args.core.plan.dry_run or not (out / runs.VERDICT).is_file():
        return out
    if runs.read_json(out / runs.VERDICT)["answer"] != NOT_VALID:
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
    kind, names = (study.manifest["task"][key] for key in ("kind", "labels"))
    table = kept_options(TableArgs, study.manifest["args"], str(folder / runs.STUDY))
    stand_in = Trained(folder, Task(kind, tuple(names)), table, 0, "head")
    args = change(args, {"group": args.groups.group or table.groups.group})
    read = table_for(stand_in, args.columns)
    rows = read_rows(source, read, [stand_in], args)
    cells, seeds = _cells(study)
    first = cells[BASE][seeds[0]].predictions
    assert first is not None
    tested = _tested(read_table(source, read), first, study.name)
    known = np.isin(tested.rows(), rows.corpus.rows())
    at = output_of(stand_in.task, args.identity.positive, rows.label)
    scored = []
    for arm in sorted(cells, key=lambda name: name != BASE):
        outputs = [_outputs(stand_in.task, cells[arm][seed])[known] for seed in seeds]
        both = [chosen(stand_in.task, o, at, args.identity.label_threshold) for o in outputs]
        scores, decided = zip(*both, strict=True)
        scored.append(Scored(arm, np.stack(scores), np.stack(decided)))
    found = examined(rows.take(tested.take(np.flatnonzero(known))), scored, args)
    for line in lines_of(found):
        tell(line)
    runs.write_json(folder / runs.BIAS, found)
    say_next(shlex.join(["steep", "report", str(folder)]))
    return found


def _cells(study: StudyFolder) -> tuple[dict[str, dict[int, StudyCell]], Sequence[int]]:
    """The finished cells by arm and seed, and the seeds that all arms have."""
    cells = {
        arm: {
            cell.seed: cell
            for cell in study.of(arm)
            if cell.predictions is not None and not cell.facts.get("diverged")
        }
        for arm in study.arms
    }
    seeds = sorted(set.intersection(*(set(of) for of in cells.values()))) if cells else []
    if not seeds or BASE not in cells:
        raise SteepError(f"{study.name}: no seed has finished cells of all arms. Run it again.")
    return cells, seeds


def _outputs(task: Task, cell: StudyCell) -> np.ndarray:
    assert cell.predictions is not None
    names = ["predicted"] if task.kind == "regression" else [f"p_{name}" for name in task.labels]
    return cell.predictions[names].to_numpy(np.float64)


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
