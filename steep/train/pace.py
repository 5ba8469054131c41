"""How long will adapt and fit take on this machine? A few measured steps of each, extrapolated."""

import time
from typing import Any

from fastai.learner import Learner

from steep.args import PretrainArgs, TuneArgs
from steep.data.corpus import Data, join_corpora
from steep.models.devices import Machine
from steep.models.families import longest
from steep.models.masked_lm import MaskedLanguageModel, MaskedLM, load_masked_lm
from steep.options import change, make
from steep.train import classify
from steep.train.engine import add_gradient
from steep.train.heldout import MaskedScores
from steep.train.objective import Objective, masked_learner
from steep.train.pile import Stream, heldout_batches, loaders

WARM, TIMED = 2, 6  # steps
UNLIMITED = 1_000_000  # positions of a model without a limit
ASKED = 200  # windows on which the unadapted model is measured


def estimate(data: Data, model: str, machine: Machine, seed: int, tune: TuneArgs) -> dict[str, Any]:
    """Tokens a second and seconds a pass over the training rows, of adapt and (with labels) fit.

    Also the model's `parameters`, the `positions` that it reads at once, whether it came with a
    masked-LM head (`own_head`) and, if so, the `masked_loss` of the unadapted model on some of the
    training text. `tune` holds the options of the fit.
    """
    lm = load_masked_lm(model, machine.attention, seed)
    most = longest(lm.model, tune.length.max_length)
    times: dict[str, Any] = {"machine": str(machine), "parameters": lm.model.num_parameters()}
    times["positions"] = longest(lm.model, UNLIMITED)
    masked = _masked(data, lm, most, machine, seed)
    times["adapt"] = _pace(masked)
    times["own_head"] = not lm.new_head
    if not lm.new_head:
        times["masked_loss"] = round(_loss(masked), 3)
    if data.task is not None and len(data.valid):
        tune = change(tune, {"max_length": min(tune.length.max_length, most)})
        times["fit"] = _pace(classify.learner(data, model, tune, machine, seed))
    return times


def of_fit(data: Data, model: str, machine: Machine, seed: int, tune: TuneArgs) -> float:
    """Seconds a pass over the training rows, of fit alone.

    All layers are trained: where the encoder is frozen, a pass takes less.
    """
    return _pace(classify.learner(data, model, tune, machine, seed))["seconds_per_epoch"]


def seconds_per_step(learn: Learner, warm: int = WARM, timed: int = TIMED) -> tuple[float, float]:
    """Seconds and tokens of a training step, measured; no weight is changed."""
    learn.model.train()
    started, tokens, steps = time.monotonic(), 0, 0
    for number, batch in enumerate(learn.dls.train):
        if number == warm:  # the first steps allocate memory and compile
            started, tokens, steps = time.monotonic(), 0, 0
        add_gradient(learn, batch)
        tokens, steps = tokens + int(batch[0][..., 1, :].sum()), steps + 1
        if number == warm + timed - 1:
            break
    learn.model.zero_grad(set_to_none=True)
    return (time.monotonic() - started) / steps, tokens / steps


def _pace(learn: Learner) -> dict[str, float]:
    seconds, tokens = seconds_per_step(learn)
    rows = learn.dls.train_ds
    steps = rows.per_pass if isinstance(rows, Stream) else len(learn.dls.train)
    return {
        "tokens_per_second": round(tokens / seconds, 1),
        "seconds_per_epoch": round(seconds * steps, 1),
    }


def _loss(learn: Learner) -> float:
    scores = MaskedScores()
    with learn.no_bar():
        learn.validate(cbs=[scores])
    return scores.loss_per_token


def _masked(data: Data, lm: MaskedLanguageModel, most: int, machine: Machine, seed: int) -> Learner:
    """Step 2 with its default options on the training rows."""
    length = min(PretrainArgs().length.max_length, most)
    pretrain, objective = make(PretrainArgs, max_length=length), Objective()
    pile = objective.pile(join_corpora([data.train]), lm, pretrain)
    spans, tokens = pile.spans(), pretrain.batch.batch_tokens
    stream = Stream(pile, spans, tokens, WARM + TIMED, seed)
    dls = loaders(stream, heldout_batches(pile, spans[:ASKED], tokens, seed), machine.device)
    model = MaskedLM(machine.prepare(lm.model, seed), machine.autocast)
    return masked_learner(model, dls, pretrain, objective)
