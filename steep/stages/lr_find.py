"""steep lr-find: which learning rate fastai's curve suggests, and whether to believe it."""

import math
import statistics
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from steep import runs
from steep.args import FitArgs, LrFindArgs
from steep.config import part
from steep.console import out as console
from steep.console import track
from steep.data import budget
from steep.data.corpus import Data
from steep.data.load import load
from steep.errors import SteepError
from steep.stages.fit import check, splits_of

if TYPE_CHECKING:
    from steep.train.finder import Curve

APART = 3.0  # suggestions that differ by more than this factor agree on nothing
FALL = 0.1  # share of the first loss that has to go for a curve to have a valley
OFTEN = 3  # times that a curve may read each row


def lr_find(source: Data | str | Path, *, args: LrFindArgs | None = None) -> dict[str, Any]:
    """Curves of loss against learning rate; what they suggest is printed, and returned.

    {"learning_rate": the middle of the suggestions, "warnings", "curves"}. It is the rate of the
    head; `steep fit` gives lower layers less by `decay`. Nothing is trained that stays. Raises
    SteepError for whatever is wrong with file, options or checkpoint.
    """
    args = args or LrFindArgs()
    if args.lowest >= args.highest:
        raise SteepError(f"lowest {args.lowest:g} is not below highest {args.highest:g}.")
    data = source if isinstance(source, Data) else load(Path(source), args, splits_of(args.encoder))
    fitting = part(args, FitArgs)
    check(data, fitting)
    curves = _curves(data, args, fitting)
    rows = len(budget.chosen(data, fitting, args.seed).train)
    rate = statistics.median(curve.suggested for curve in curves)
    warnings = _warnings(curves, args, rows)
    found = {"learning_rate": rate, "warnings": warnings, "curves": [asdict(c) for c in curves]}
    if args.result is not None:
        with runs.explained(args.result):
            args.result.parent.mkdir(parents=True, exist_ok=True)
            runs.write_json(args.result, found)
    for line in _lines(curves, rate, warnings):
        console.print(line, markup=False)
    return found


def _curves(data: Data, args: LrFindArgs, fitting: FitArgs) -> "list[Curve]":
    from steep.train.engine import learner
    from steep.train.finder import curve

    start = args.encoder or args.model or ""
    base = args.model if args.encoder else None
    found = []
    for seed in track(range(args.seed, args.seed + args.curves), args.curves, "looking for a rate"):
        used = budget.chosen(data, fitting, seed)
        learn = learner(used, start, replace(fitting, seed=seed), base)
        with TemporaryDirectory() as folder:  # fastai keeps the weights there meanwhile
            learn.path = Path(folder)
            found.append(curve(learn, args, seed))
    return found


def _warnings(curves: "list[Curve]", args: LrFindArgs, rows: int) -> list[str]:
    """Why these curves are no guide."""
    low, high = (least(curve.suggested for curve in curves) for least in (min, max))
    said = []
    if len(curves) == 1:
        said.append("one curve says nothing of chance; --curves 3 does")
    if high > APART * low:
        said.append(
            f"the suggestions differ by a factor of {high / low:.1f}, so the curves are no guide: "
            "try some rates from 1e-5 to 1e-4 instead, and let the validation rows choose"
        )
    flat = sum(curve.fall < FALL for curve in curves)
    if flat:
        said.append(
            f"in {flat} of {len(curves)} curves the loss falls by less than {FALL:.0%}: there is "
            "no valley to find. More --steps, or a smaller --batch-size, may show one"
        )
    often = math.ceil(args.steps * args.batch_size / rows)
    if often > OFTEN:
        said.append(
            f"{rows:,} rows are read {often} times in a curve: part of the fall is learning by "
            "heart. Fewer --steps would do"
        )
    return said


def _lines(curves: "list[Curve]", rate: float, warnings: list[str]) -> list[str]:
    each = [
        f"seed {curve.seed}: {curve.suggested:.1e} (the loss falls by {max(0.0, curve.fall):.0%}, "
        f"{len(curve.rates)} steps)"
        for curve in curves
    ]
    return [*each, f"suggested: --learning-rate {rate:.1e}", *(f"warning: {w}" for w in warnings)]
