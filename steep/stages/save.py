"""How is what fastai trained kept? As a folder like that of a fit, for predict and pipeline."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from steep import outputs, runs
from steep.args.training import EpochArgs, KeepArgs, OptimiserArgs, ScheduleArgs
from steep.console import say
from steep.data.corpus import record_data
from steep.data.duplicates import row_hashes
from steep.errors import SteepError
from steep.metrics.scores import primary
from steep.models.hub import find
from steep.options import as_mapping, options_of
from steep.stages.fit import describe_model
from steep.stages.held_out import held_out, predicted

if TYPE_CHECKING:
    from fastai.learner import Learner

    from steep.train.classify import Fitted

PARTS = (EpochArgs, KeepArgs, OptimiserArgs, ScheduleArgs)
THEIRS = {option.name for part in PARTS for option in options_of(part)}  # fastai's calls said them
NOTE = "trained by calls of fastai: epochs, rates and schedule are not kept"


def save(learn: "Learner", out: str | Path, *, overwrite: bool = False) -> Path:
    """Write the classifier in a `Learner` of `steep.learner`, as it is now; returns the folder.

    It is one of `steep fit`: a checkpoint, with what `steep predict` needs, scores on validation
    and test rows, and a model card. The learner is left as it was. Raises SteepError if it is
    another learner, holds a PEFT model that is not merged, or `out` cannot be written.
    """
    from steep.train.classify import Fitted
    from steep.train.rows import TextLoaders

    dls = learn.dls
    if not isinstance(dls, TextLoaders) or dls.origin is None:
        raise SteepError("save: expected a Learner made by steep.learner, with its own data.")
    _check_model(learn)
    data, used, args = dls.origin
    fitted, task = Fitted(learn, [], 0, 0.0, False), data.labelled()
    with outputs.writing(Path(out), "fit", args, overwrite) as run:
        record_data(run, data, str(find(args.base.base or str(args.start.model))))
        run.record(args={n: v for n, v in as_mapping(args).items() if n not in THEIRS})
        run.note(NOTE)
        metric = args.metric.metric or primary(task)
        results = {"task": task.described(), "metric": metric, "best_epoch": None}
        with _own_units(fitted):
            results |= held_out(predicted(fitted, data, args), data, used, args, run)
            fitted.save(run.folder)
        runs.write_json(run.folder / runs.RESULTS, results)
        runs.write_hashes(run.folder, row_hashes(used.train))
        describe_model(run.folder, Path(out).resolve().name, run.manifest, results, args.start)
    say(f"model: {out}")
    return Path(out)


def _check_model(learn: "Learner") -> None:
    from transformers import PreTrainedModel

    model = learn.model.model
    if not isinstance(model, PreTrainedModel):
        raise SteepError(
            f"save: the model is a {type(model).__name__}, not one of transformers. Merge its "
            "adapters first: learn.model.model = learn.model.model.merge_and_unload()"
        )


@contextmanager
def _own_units(fitted: "Fitted") -> Iterator[None]:
    """While this lasts, a regression model predicts on the scale of its targets."""
    from steep.models.heads import last_linear
    from steep.train.classify import in_own_units
    from steep.train.losses import Loss

    loss = fitted.learn.loss_func
    if not isinstance(loss, Loss) or not loss.mean:
        yield
        return
    last = last_linear(fitted.learn.model.model)
    before, scale = (
        {k: v.clone() for k, v in last.state_dict().items()},
        (loss.mean, loss.deviation),
    )
    in_own_units(fitted)
    try:
        yield
    finally:
        last.load_state_dict(before)
        loss.mean, loss.deviation = scale
