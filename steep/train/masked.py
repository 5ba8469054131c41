"""How does a masked language model train? Head first where it is new, then everything."""

from typing import Any

import numpy as np
import torch
from fastai.learner import Learner

from steep.config import AdaptArgs
from steep.errors import SteepError
from steep.models.checkpoints import MaskedLanguageModel
from steep.models.devices import Machine
from steep.models.heads import MaskedLM
from steep.train import engine, schedules
from steep.train.callbacks import Bar, MaskedHistory, MaskedScores, StopIfDiverged
from steep.train.probe import seconds_per_step
from steep.train.windows import Heldout, Pile, Stream, loaders

MEASUREMENTS = 10  # of the held-out loss in a run
HEAD_SHARE, HEAD_STEPS = 0.3, 1000  # a new head trains alone for this share of the steps, at most
HEAD_RATE = 10  # times the learning rate: a new head starts from random weights


def train(
    lm: MaskedLanguageModel,
    pile: Pile,
    spans: np.ndarray,
    heldout: np.ndarray,
    args: AdaptArgs,
    machine: Machine,
    dropout_seed: int,
) -> dict[str, Any]:
    """Train `lm` in place on the windows `spans`; returns losses, history and speed.

    The masked loss is measured on `heldout` with masks that never change. With a new head, "before"
    is measured after the head has learnt and before the encoder moves.
    """
    torch.manual_seed(dropout_seed)
    model = MaskedLM(machine.prepare(lm.model, dropout_seed), machine.autocast)
    measured = Heldout(pile, heldout, args.batch_tokens, args.seed)

    def learner(length: int) -> Learner:
        stream = Stream(pile, spans, args.batch_tokens, length, args.seed)
        return engine.masked_learner(model, loaders(stream, measured, machine.device), args)

    per_pass = learner(1).dls.train_ds.per_pass
    total = max(1, round(args.epochs * per_pass))
    if args.max_minutes is not None:
        seconds, _ = seconds_per_step(learner(8))
        total = max(1, min(total, int(args.max_minutes * 60 / seconds)))
    if lm.new_head:
        _warm_head(learner(max(1, min(HEAD_STEPS, round(HEAD_SHARE * total)))), args)
    rounds = min(MEASUREMENTS, total)
    return _adapt(learner(-(-total // rounds)), rounds, args, HEAD_RATE if lm.new_head else 1)


def _warm_head(learn: Learner, args: AdaptArgs) -> None:
    """Train the new head alone, with the encoder frozen, so that its noise moves nothing."""
    rate = schedules.course("linear", args.warmup)
    scheduler = schedules.scheduler(HEAD_RATE * args.learning_rate, rate, 1, len(learn.dls.train))
    learn.freeze()
    engine.run(learn, 1, scheduler, [Bar("warming up the head"), StopIfDiverged()])
    learn.unfreeze()


def _adapt(learn: Learner, rounds: int, args: AdaptArgs, head_rate: float) -> dict[str, Any]:
    """Train everything, with a measurement of the held-out text before and after each round.

    The head learns `head_rate` times as fast as the encoder.
    """
    scores, bar = MaskedScores(), Bar("adapting")
    with learn.no_bar():
        learn.validate(cbs=[scores])
    before = {"loss": scores.loss_per_token, "accuracy": scores.accuracy}
    total, per_pass = rounds * len(learn.dls.train), learn.dls.train_ds.per_pass
    history, finite = MaskedHistory(scores, bar, per_pass), StopIfDiverged()
    rate = schedules.course("linear", args.warmup)
    lrs = schedules.discriminative(learn, args.learning_rate, 1.0)
    lrs[-1] *= head_rate
    scheduler = schedules.scheduler(lrs, rate, rounds, len(learn.dls.train))
    engine.run(learn, rounds, scheduler, [scores, bar, history, finite])
    if finite.diverged:
        raise SteepError(
            f"the masked loss became infinite after {bar.tokens:,} tokens; nothing was written. "
            f"Choose a learning_rate below {args.learning_rate:g}."
        )
    return {
        "masked_loss": {"before": before["loss"], "after": scores.loss_per_token},
        "masked_accuracy": {"before": before["accuracy"], "after": scores.accuracy},
        "heldout_tokens": scores.count,
        "steps": total,
        "epochs": total / per_pass,
        "tokens": bar.tokens,
        "tokens_per_second": round(bar.tokens / bar.seconds, 1),
        "history": history.lines,
    }
