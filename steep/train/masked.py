"""How does a masked language model train? Head first where it is new, then everything."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler
from fastai.learner import Learner
from transformers import PreTrainedModel

from steep.args import AdaptArgs
from steep.errors import SteepError
from steep.models.checkpoints import MaskedLanguageModel
from steep.models.devices import Machine
from steep.models.heads import MaskedLM
from steep.train import engine, schedules
from steep.train.callbacks import Bar, StopIfDiverged
from steep.train.heldout import Best, MaskedHistory, MaskedScores
from steep.train.look import Guess, Guesses, look
from steep.train.pace import seconds_per_step
from steep.train.phases import Phase, Unfreeze
from steep.train.probe import Probe
from steep.train.saves import Saves
from steep.train.tracking import Tracking
from steep.train.windows import Heldout, Source, Stream, loaders

HEAD, ALL = "warming up the head", "adapting"  # the phases of a run
MEASUREMENTS = 10  # of the held-out text in a run, at most, where no option says otherwise
MEASURED = 0.5  # batches read for them, for each that is trained on, at most
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
    probe: Probe | None = None,
    tracking: Tracking | None = None,
) -> dict[str, Any]:
    """Train `lm` in place on the windows `spans`; returns losses, history and speed.

    The masked loss is measured on `heldout` with masks that never change, and the weights of the
    best measurement are those that `lm` ends with: by the masked loss, or by `probe`, which is
    asked whenever held-out text is measured; `tracking` sends each measurement on. With a new head,
    "before" is measured after the head has learnt and before the encoder moves. With `saves`, a run
    that was killed goes on.
    """
    saves = saves or Saves()
    torch.manual_seed(dropout_seed)
    prepared = machine.prepare(lm.model, dropout_seed)
    if args.checkpointing:
        _checkpoint(prepared)
    model = MaskedLM(prepared, machine.autocast, lm.pair_logits)
    measured = Heldout(pile, heldout, args.batch_tokens, args.seed)

    def learner(length: int, total: int | None = None) -> Learner:
        stream = Stream(pile, spans, args.batch_tokens, length, args.seed, total)
        return engine.masked_learner(model, loaders(stream, measured, machine.device), args)

    total = saves.once("steps", lambda: _steps(learner, args))
    new = lm.new_head or lm.new_pair_head
    if new:
        _warm_head(learner(max(1, min(HEAD_STEPS, round(HEAD_SHARE * total)))), args, saves)
    every = min(total, args.evaluate_every or -(-total // _times(total, len(measured))))
    rate = HEAD_RATE if new else 1
    report, guessed = _adapt(learner(every, total), total, args, rate, saves, probe, tracking)
    return report | {"look": look(measured.batches, lm.tokenizer, *guessed)}


def _checkpoint(model: PreTrainedModel) -> None:
    """Let each layer be computed again on the way back, with the dropout that it had."""
    with warnings.catch_warnings():  # the new name of this method is younger than transformers 5.0
        warnings.simplefilter("ignore", FutureWarning)
        model.gradient_checkpointing_enable({"use_reentrant": False})


def _steps(learner: Callable[[int], Learner], args: AdaptArgs) -> int:
    """The steps that the budget comes to."""
    if args.steps is not None:
        return args.steps
    if args.max_minutes is not None:
        seconds, _ = seconds_per_step(learner(8), parts=args.accumulate)
        return max(1, int(args.max_minutes * 60 / seconds))
    passes = 1.0 if args.epochs is None else args.epochs
    return max(1, round(passes * learner(1).dls.train_ds.per_pass))


def _times(steps: int, heldout: int) -> int:
    """How often to measure `heldout` batches in a run of `steps` batches."""
    return max(2, min(MEASUREMENTS, round(MEASURED * steps / heldout)))


def _warm_head(learn: Learner, args: AdaptArgs, saves: Saves) -> None:
    """Train the new head alone, with the encoder frozen, so that its noise moves nothing."""
    rate = schedules.course("linear", args.warmup)
    scheduler = schedules.scheduler(HEAD_RATE * args.learning_rate, rate, 1, len(learn.dls.train))
    learn.freeze()
    callbacks = [Bar(HEAD), StopIfDiverged()]
    engine.run(learn, 1, scheduler, callbacks, saves, HEAD)
    learn.unfreeze()


def _adapt(
    learn: Learner,
    total: int,
    args: AdaptArgs,
    head_rate: float,
    saves: Saves,
    probe: Probe | None,
    tracking: Tracking | None,
) -> tuple[dict[str, Any], tuple[Guess, Guess]]:
    """Train for `total` steps, with a measurement of the held-out text before and in each round.

    The weights of the best measurement stay. The head learns `head_rate` times as fast as the
    encoder. Returns the report, and what was guessed before and after.
    """
    scores, bar, finite = MaskedScores(probe), Bar(ALL, total), StopIfDiverged()
    first, last = Guesses(), Guesses()
    measuring = [scores] if probe is None else [scores, probe]
    before = saves.once("before", lambda: _measure(learn, scores, [*measuring, first]))
    guessed = saves.once("guesses", lambda: first.found)
    history = MaskedHistory(scores, bar, learn.dls.train_ds.per_pass, before)
    best = Best(scores, args.patience, _worth(args, probe))
    rounds = -(-total // len(learn.dls.train))
    callbacks = [*measuring, bar, history, finite, best]
    if tracking is not None:
        callbacks.append(tracking.follow(lambda: history.lines))
    if args.train == "embeddings":
        callbacks.append(Unfreeze([Phase(rounds, 0, 1)]))
    engine.run(learn, rounds, _rates(learn, rounds, total, args, head_rate), callbacks, saves, ALL)
    if finite.diverged:
        saves.remove()
        raise SteepError(
            f"the masked loss became infinite after {bar.tokens:,} tokens; nothing was written. "
            f"Choose a learning_rate below {args.learning_rate:g}."
        )
    _measure(learn, scores, [scores, last])  # of the best weights, which need not be the last
    found = {n: {"before": before[n], "after": after} for n, after in best.found.items()}
    return found | _report(scores, bar, history, best, probe), (guessed, last.found)


def _report(
    scores: MaskedScores, bar: Bar, history: MaskedHistory, best: Best, probe: Probe | None
) -> dict[str, Any]:
    """How far the training went, at which speed, and what was measured on the way."""
    steps = int(history.lines[-1]["step"] or 0)
    return {
        "heldout_tokens": scores.count,
        **({"heldout_pairs": scores.pairs} if scores.pairs else {}),
        **({"probe_metric": probe.metric, "probe_rows": probe.rows} if probe else {}),
        "steps": steps,
        "best_step": best.step,
        "stopped_early": best.stopped,
        "epochs": steps / history.per_pass,
        "tokens": bar.tokens,
        "tokens_per_second": round(bar.tokens / bar.seconds, 1),
        "history": [line | {"kept": int(line["step"] == best.step)} for line in history.lines],
    }


def _rates(
    learn: Learner, rounds: int, total: int, args: AdaptArgs, head_rate: float
) -> ParamScheduler:
    """Linear up and down over all steps, lower layers slower by `args.decay`."""
    lrs = schedules.discriminative(learn, args.learning_rate, args.decay)
    lrs[-1] *= head_rate
    rate = schedules.course("linear", args.warmup)
    return schedules.scheduler(lrs, rate, rounds, len(learn.dls.train), total=total)


def _worth(args: AdaptArgs, probe: Probe | None) -> Callable[[dict[str, float]], float]:
    """What a measurement is worth; more is better."""
    if args.keep == "probe" and probe is not None:
        return lambda found: probe.worth(found["probe"])
    return lambda found: -found["masked_loss"]


def _measure(learn: Learner, scores: MaskedScores, callbacks: list[Callback]) -> dict[str, float]:
    """What is measured on the held-out text, by name."""
    with learn.no_bar():
        learn.validate(cbs=callbacks)
    return scores.found
