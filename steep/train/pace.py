"""How long will adapt and fit take on this machine? A few measured steps of each, extrapolated."""

import time
from dataclasses import replace
from typing import Any

from fastai.learner import Learner

from steep.args import AdaptArgs, CheckArgs, FitArgs
from steep.config import part
from steep.data.corpus import Data, join
from steep.data.tokens import frame, tokenize
from steep.models.checkpoints import MaskedLanguageModel, load_masked_lm
from steep.models.devices import Machine, choose
from steep.models.families import longest
from steep.models.heads import MaskedLM
from steep.objectives.masking import vocabulary
from steep.train import engine
from steep.train.heldout import MaskedScores
from steep.train.parts import backward
from steep.train.windows import Heldout, Pile, Stream, loaders

WARM, TIMED = 2, 6  # steps
ASKED = 200  # windows that the unadapted model is asked to guess in


def estimate(data: Data, args: CheckArgs, fitting: FitArgs | None = None) -> dict[str, Any]:
    """Tokens a second and seconds a pass over the training rows, of adapt and (with labels) fit.

    Also the model's `parameters`, whether it came with a masked-LM head (`own_head`) and, if so,
    the `masked_loss` of the unadapted model on some of the training text. `fitting` holds options
    of fit that are not the default.
    """
    assert args.model is not None
    machine = choose(args)
    lm = load_masked_lm(args.model, machine.attention, args.seed)
    fitting = fitting or part(args, FitArgs)
    most = longest(lm.model, fitting.max_length)
    times: dict[str, Any] = {"machine": str(machine), "parameters": lm.model.num_parameters()}
    masked = _masked(data, lm, most, args, machine)
    times["adapt"] = _pace(masked)
    times["own_head"] = not lm.new_head
    if not lm.new_head:
        times["masked_loss"] = round(_loss(masked), 3)
    if data.task is not None and len(data.valid):
        fitting = replace(fitting, max_length=min(fitting.max_length, most))
        times["fit"] = _pace(engine.learner(data, args.model, fitting))
    return times


def of_fit(data: Data, fitting: FitArgs) -> float:
    """Seconds a pass over the training rows, of fit alone.

    All layers are trained: where the encoder is frozen, a pass takes less.
    """
    assert fitting.model is not None
    return _pace(engine.learner(data, fitting.model, fitting))["seconds_per_epoch"]


def seconds_per_step(
    learn: Learner, warm: int = WARM, timed: int = TIMED, parts: int = 1
) -> tuple[float, float]:
    """Seconds and tokens of a training step, measured; no weight is changed.

    `parts`: in how many parts the batch of a masked language model is computed.
    """
    learn.model.train()
    started, tokens, steps = time.monotonic(), 0, 0
    for number, batch in enumerate(learn.dls.train):
        if number == warm:
            started, tokens, steps = time.monotonic(), 0, 0
        backward(learn, batch, parts)
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


def _masked(
    data: Data, lm: MaskedLanguageModel, most: int, args: CheckArgs, machine: Machine
) -> Learner:
    options = AdaptArgs(seed=args.seed, max_length=min(AdaptArgs.max_length, most))
    tokens = tokenize(join([data.train]), lm.tokenizer)
    words = vocabulary(lm.tokenizer)
    pile = Pile(tokens, frame(lm.tokenizer), words, options.max_length, options.mask_share)
    spans = pile.spans()
    stream = Stream(pile, spans, options.batch_tokens, WARM + TIMED, options.seed)
    heldout = Heldout(pile, spans[:ASKED], options.batch_tokens, options.seed)
    dls = loaders(stream, heldout, machine.device)
    return engine.masked_learner(
        MaskedLM(machine.prepare(lm.model, args.seed), machine.autocast), dls, options
    )
