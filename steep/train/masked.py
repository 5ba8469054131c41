"""How does a masked language model train? Head first where it is new, then everything."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from fastai.learner import Learner

from steep.args import AdaptArgs
from steep.errors import SteepError
from steep.models.checkpoints import MaskedLanguageModel
from steep.models.devices import Machine
from steep.models.heads import MaskedLM
from steep.train import engine, schedules
from steep.train.callbacks import Bar, MaskedHistory, MaskedScores, StopIfDiverged
from steep.train.look import Guess, Guesses, look
from steep.train.pace import seconds_per_step
from steep.train.saves import Saves
from steep.train.windows import Heldout, Source, Stream, loaders

HEAD, ALL = "warming up the head", "adapting"  # the phases of a run
MEASUREMENTS = 10  # of the held-out loss in a run
HEAD_SHARE, HEAD_STEPS = 0.3, 1000  # a new head trains alone for this share of the steps, at most
HEAD_RATE = 10  # times the learning rate: a new head starts from random weights


def train(
    lm: MaskedLanguageModel,
    pile: Source,
    spans: np.ndarray,
    heldout: np.ndarray,
    args: AdaptArgs,
    machine: Machine,
    dropout_seed: int,
    saves: Saves | None = None,
) -> dict[str, Any]:
    """Train `lm` in place on the windows `spans`; returns losses, history and speed.

    The masked loss is measured on `heldout` with masks that never change. With a new head, "before"
    is measured after the head has learnt and before the encoder moves. With `saves`, a run that was
    killed goes on.
    """
    saves = saves or Saves()
    torch.manual_seed(dropout_seed)
    prepared = machine.prepare(lm.model, dropout_seed)
    model = MaskedLM(prepared, machine.autocast, lm.pair_logits)
    measured = Heldout(pile, heldout, args.batch_tokens, args.seed)

    def learner(length: int) -> Learner:
        stream = Stream(pile, spans, args.batch_tokens, length, args.seed)
        return engine.masked_learner(model, loaders(stream, measured, machine.device), args)

    total = saves.once("steps", lambda: _steps(learner, args))
    new = lm.new_head or lm.new_pair_head
    if new:
        _warm_head(learner(max(1, min(HEAD_STEPS, round(HEAD_SHARE * total)))), args, saves)
    rounds = min(MEASUREMENTS, total)
    report, guessed = _adapt(
        learner(-(-total // rounds)), rounds, args, HEAD_RATE if new else 1, saves
    )
    return report | {"look": look(measured.batches, lm.tokenizer, *guessed)}


def _steps(learner: Callable[[int], Learner], args: AdaptArgs) -> int:
    """The steps that the passes, or the minutes, come to."""
    total = max(1, round(args.epochs * learner(1).dls.train_ds.per_pass))
    if args.max_minutes is None:
        return total
    seconds, _ = seconds_per_step(learner(8))
    return max(1, min(total, int(args.max_minutes * 60 / seconds)))


def _warm_head(learn: Learner, args: AdaptArgs, saves: Saves) -> None:
    """Train the new head alone, with the encoder frozen, so that its noise moves nothing."""
    rate = schedules.course("linear", args.warmup)
    scheduler = schedules.scheduler(HEAD_RATE * args.learning_rate, rate, 1, len(learn.dls.train))
    learn.freeze()
    callbacks = [Bar(HEAD), StopIfDiverged()]
    engine.run(learn, 1, scheduler, callbacks, saves, HEAD)
    learn.unfreeze()


def _adapt(
    learn: Learner, rounds: int, args: AdaptArgs, head_rate: float, saves: Saves
) -> tuple[dict[str, Any], tuple[Guess, Guess]]:
    """Train everything, with a measurement of the held-out text before and after each round.

    The head learns `head_rate` times as fast as the encoder. Returns the report, and what was
    guessed before and after.
    """
    scores, bar, first, last = MaskedScores(), Bar(ALL), Guesses(), Guesses(only=rounds - 1)
    before = saves.once("before", lambda: _measure(learn, scores, first))
    guessed = saves.once("guesses", lambda: first.found)
    total, per_pass = rounds * len(learn.dls.train), learn.dls.train_ds.per_pass
    history, finite = MaskedHistory(scores, bar, per_pass), StopIfDiverged()
    rate = schedules.course("linear", args.warmup)
    lrs = schedules.discriminative(learn, args.learning_rate, 1.0)
    lrs[-1] *= head_rate
    scheduler = schedules.scheduler(lrs, rate, rounds, len(learn.dls.train))
    engine.run(learn, rounds, scheduler, [scores, bar, history, finite, last], saves, ALL)
    if finite.diverged:
        saves.remove()
        raise SteepError(
            f"the masked loss became infinite after {bar.tokens:,} tokens; nothing was written. "
            f"Choose a learning_rate below {args.learning_rate:g}."
        )
    report = {
        **{name: {"before": before[name], "after": after} for name, after in scores.found.items()},
        "heldout_tokens": scores.count,
        **({"heldout_pairs": scores.pairs} if scores.pairs else {}),
        "steps": total,
        "epochs": total / per_pass,
        "tokens": bar.tokens,
        "tokens_per_second": round(bar.tokens / bar.seconds, 1),
        "history": history.lines,
    }
    return report, (guessed, last.found)


def _measure(learn: Learner, scores: MaskedScores, guesses: Guesses) -> dict[str, float]:
    """What is measured on the held-out text, by name."""
    with learn.no_bar():
        learn.validate(cbs=[scores, guesses])
    return scores.found
