"""steep lr-find: run fastai's lr_find several times; say if it is reliable."""

import math
import statistics
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from steep import runs
from steep.console import tell, track
from steep.data import budget
from steep.data.corpus import Data
from steep.data.load import load
from steep.data.readers import Source
from steep.options import change
from steep.outputs import writing_file
from steep.places import inputs_of
from steep.shelf.lr_find import LrFindArgs
from steep.stages.fit import check_fit, say_start, settled_fit, splits_of, started

if TYPE_CHECKING:
    from steep.train.lr_find import LrCurve

APART = 3.0  # suggestions that differ by more than this factor do not agree
FALL = 0.1  # share of the first loss by which a curve has to fall to have a valley
OFTEN = 3  # times that a curve may read each row


def lr_find(source: Source | Data, *, args: LrFindArgs, out: Path | None = None) -> dict[str, Any]:
    """Curves of loss against learning rate; what they suggest is printed, and returned.

    {"learning_rate": the median of the suggestions, "warnings", "curves"}. It is the rate of the
    head; `steep fit` lowers it layer by layer, by `layer_decay`. The same is written to the JSON
    file `out`; no model is kept. Raises SteepError for whatever is wrong with file, options or
    checkpoint.
    """
    inputs = inputs_of(args, source)
    with writing_file(out, "JSON", args.output.overwrite, inputs) if out else nullcontext() as file:
        found = _findings(source, args)
        if file:
            runs.write_json(file, found)
    for line in _lines(found):
        tell(line)
    return found


def _findings(source: Source | Data, args: LrFindArgs) -> dict[str, Any]:
    data = load(source, args.table, args.split, splits_of(args.start))
    check_fit(data, args.as_fit())
    curves = _curves(data, args)
    rows = len(budget.chosen(data, args.few, args.seed.seed).train)
    rate = statistics.median(curve.suggested for curve in curves)
    warnings = _warnings(curves, args.curve.curve_steps, args.batch.size, rows)
    return {"learning_rate": rate, "warnings": warnings, "curves": [asdict(c) for c in curves]}


def _curves(data: Data, args: LrFindArgs) -> "list[LrCurve]":
    from steep.train.lr_find import lr_curve

    how, first = args.curve, args.seed.seed
    found = []
    for seed in track(range(first, first + how.curves), how.curves, "finding a learning rate"):
        used = budget.chosen(data, args.few, seed)
        fit = change(args.as_fit(), {"seed": seed})
        learn = started(used, settled_fit(used, fit))
        if seed == first:
            say_start(learn)
        with TemporaryDirectory() as folder:  # fastai keeps the weights there meanwhile
            learn.path = Path(folder)
            found.append(lr_curve(learn, how.start_lr, how.end_lr, how.curve_steps, seed))
    return found


def _warnings(curves: "list[LrCurve]", steps: int, batch_size: int, rows: int) -> list[str]:
    """Why these curves are not reliable."""
    low, high = (least(curve.suggested for curve in curves) for least in (min, max))
    found = []
    if len(curves) == 1:
        found.append("one curve does not show how much chance matters; --curves 3 does")
    if high > APART * low:
        found.append(
            f"the suggestions differ by a factor of {high / low:.1f}, so they are not reliable: "
            "try some rates from 1e-5 to 1e-4 instead, and choose by the validation rows"
        )
    flat = sum(curve.fall < FALL for curve in curves)
    if flat:
        found.append(
            f"in {flat} of {len(curves)} curves the loss falls by less than {FALL:.0%}: there is "
            "no valley to find. More --curve-steps, or a smaller --batch-size, may show one"
        )
    often = math.ceil(steps * batch_size / rows)
    if often > OFTEN:
        found.append(
            f"a curve reads {rows:,} rows {often} times: part of the fall is memorisation. Choose "
            "fewer --curve-steps"
        )
    return found


def _lines(found: dict[str, Any]) -> list[str]:
    each = [
        f"seed {curve['seed']}: {curve['suggested']:.1e} (the loss falls by "
        f"{max(0.0, curve['fall']):.0%}, {len(curve['rates'])} steps)"
        for curve in found["curves"]
    ]
    warnings = [f"warning: {warning}" for warning in found["warnings"]]
    return [*each, f"suggested: --learning-rate {found['learning_rate']:.1e}", *warnings]
