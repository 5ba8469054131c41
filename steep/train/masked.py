"""How does a masked language model train? Head first where it is new, then everything."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler
from fastai.learner import Learner

from steep.args import PretrainArgs
from steep.errors import SteepError
from steep.models.devices import Machine, checkpoint_gradients, for_checkpointing
from steep.models.masked_lm import MaskedLanguageModel, MaskedLM
from steep.seeds import derive
from steep.train import engine, phases
from steep.train.callbacks import Bar, FollowHistory, gentler
from steep.train.heldout import Best, MaskedHistory, MaskedScores, Measure, Probe, all_found
from steep.train.look import Guess, Guesses, compare_guesses
from steep.train.objective import Objective, masked_learner
from steep.train.pace import seconds_per_step
from steep.train.phases import Phase, Unfreeze
from steep.train.pile import Source, Stream, heldout_batches, loaders
from steep.train.ranks import of_first, sharing
from steep.train.readings import StopIfDiverged, readings_of
from steep.train.saves import Saves
from steep.train.session import Hooks

HEAD, ALL = "warming up the head", "adapting"  # the phases of a run
MEASUREMENTS = 10  # of the held-out text in a run, at most, where no option says otherwise
MEASURED = 0.5  # batches read for them, for each that is trained on, at most
HEAD_SHARE, HEAD_STEPS = 0.3, 1000  # a new head trains alone for this share of the steps, at most
HEAD_RATE = 10  # times the learning rate: a new head starts from random weights


@dataclass(frozen=True)
class Laid:
    """A text laid out for step 2: its windows, and what is learnt and measured of them.

    `train` and `heldout` are windows of `pile`, as its `spans` gives them; `probe` is asked
    whenever held-out text is measured.
    """

    pile: Source
    train: np.ndarray
    heldout: np.ndarray
    probe: Probe | None = None
    objective: Objective = Objective()


def train(
    lm: MaskedLanguageModel,
    corpus: Laid,
    pretrain: PretrainArgs,
    machine: Machine,
    seed: int,
    hooks: Hooks | None = None,
) -> dict[str, Any]:
    """Train `lm` in place on the windows of `corpus`; returns losses, history and speed.

    The masked loss is measured on held-out windows with masks that never change, and the weights of
    the best measurement are those that `lm` ends with: by the masked loss, or by the probe, which
    is asked whenever held-out text is measured. With a new head, "before" is measured after the
    head has learnt and before the encoder moves.
    """
    hooks, dropout = hooks or Hooks(), derive(seed, "dropout")
    torch.manual_seed(dropout)
    machine = for_checkpointing(machine, pretrain.memory)
    checkpoint_gradients(lm.model, pretrain.memory)
    model = MaskedLM(machine.prepare(lm.model, dropout), machine.autocast, lm.outputs)
    tokens = pretrain.batch.batch_tokens
    measured = heldout_batches(corpus.pile, corpus.heldout, tokens, seed)

    def learner(length: int, total: int | None = None) -> Learner:
        stream = Stream(corpus.pile, corpus.train, tokens, length, seed, total)
        dls = loaders(stream, measured, machine.device)
        learn = masked_learner(model, dls, pretrain, corpus.objective)
        return learn.add_cbs(sharing(seed))

    # Minutes become steps once: a resumed run must have the schedule that it began with.
    total = hooks.saves.once("steps", lambda: int(of_first(_steps(learner, pretrain))))
    new = lm.new_head or lm.new_further_head
    if new:  # its random weights would send noise into the encoder
        steps = max(1, min(HEAD_STEPS, round(HEAD_SHARE * total)))
        _warm_head(learner(steps), pretrain, hooks.saves)
    asked = pretrain.evaluation.eval_steps
    every = min(total, asked or -(-total // _times(total, len(measured))))
    run = _Adapting(learner(every, total), corpus, pretrain, total, HEAD_RATE if new else 1)
    report, guesses = run.train(hooks)
    return report | {"look": compare_guesses(measured, lm.tokenizer, *guesses)}


def _steps(learner: Callable[[int], Learner], pretrain: PretrainArgs) -> int:
    """The steps that the budget comes to."""
    if pretrain.passes.max_steps is not None:
        return pretrain.passes.max_steps
    if pretrain.budget.minutes is not None:
        seconds, _ = seconds_per_step(learner(8))
        return max(1, int(pretrain.budget.minutes * 60 / seconds))
    passes = 1.0 if pretrain.passes.epochs is None else pretrain.passes.epochs
    return max(1, round(passes * learner(1).dls.train_ds.per_pass))


def _times(steps: int, heldout: int) -> int:
    """How often to measure `heldout` batches in a run of `steps` batches."""
    return max(2, min(MEASUREMENTS, round(MEASURED * steps / heldout)))


def _warm_head(learn: Learner, pretrain: PretrainArgs, saves: Saves) -> None:
    """Train the new head alone, with the encoder frozen, so that its noise moves nothing."""
    optimiser = pretrain.optimiser
    rate = phases.schedule("linear", optimiser.warmup_ratio)
    steps = len(learn.dls.train)
    scheduler = phases.scheduler(HEAD_RATE * optimiser.rate, rate, 1, steps)
    learn.freeze()
    readings = readings_of(learn)
    bar, finite = Bar(readings, HEAD), StopIfDiverged(readings)
    engine.run_fit(learn, 1, scheduler, bar, [finite], saves)
    learn.unfreeze()


@dataclass(frozen=True)
class _Adapting:
    """The training of all for `total` steps, with a measurement of held-out text in each round.

    The head learns `head_rate` times as fast as the encoder.
    """

    learn: Learner
    corpus: Laid
    pretrain: PretrainArgs
    total: int
    head_rate: float

    def train(self, hooks: Hooks) -> tuple[dict[str, Any], tuple[Guess, Guess]]:
        """Train; the weights of the best measurement stay.

        Returns the report, and what was guessed before and after.
        """
        readings, saves = readings_of(self.learn), hooks.saves
        bar, finite = Bar(readings, ALL, self.total), StopIfDiverged(readings)
        masked, first, last = MaskedScores(), Guesses(), Guesses()
        probe = [] if self.corpus.probe is None else [self.corpus.probe]
        measures: list[Measure] = [masked, *self.corpus.objective.measures(), *probe]
        # Also once: after a resumption the weights of the beginning are gone.
        before = saves.once("before", lambda: _measure(self.learn, measures, first))
        guessed = saves.once("guesses", lambda: first.found)
        history = MaskedHistory(measures, bar, self.learn.dls.train_ds.per_pass, before)
        best = Best(measures, bar, self.pretrain.evaluation.early_stopping_patience, self._worth())
        follow = FollowHistory(hooks.followers, lambda: history.lines)
        callbacks = [*measures, history, finite, best, follow, *hooks.callbacks]
        self._fit(bar, callbacks, saves)
        if finite.diverged:
            saves.remove()
            raise SteepError(
                f"the masked loss became infinite after {bar.tokens:,} tokens; nothing was "
                f"written. {gentler(self.pretrain.optimiser)}"
            )
        _measure(self.learn, [masked], last)  # of the best weights, which need not be the last
        return _report(measures, bar, history, best, before), (guessed, last.found)

    def _fit(self, bar: Bar, callbacks: list[Callback], saves: Saves) -> None:
        rounds = -(-self.total // len(self.learn.dls.train))
        if self.pretrain.objective.train == "embeddings":
            callbacks.append(Unfreeze([Phase(rounds, 0, 1)]))
        engine.run_fit(self.learn, rounds, self._rates(rounds), bar, callbacks, saves)

    def _rates(self, rounds: int) -> ParamScheduler:
        """Linear up and down over all steps, lower layers slower."""
        optimiser = self.pretrain.optimiser
        lrs = phases.discriminative(self.learn, optimiser.rate, optimiser.layer_decay)
        lrs[-1] *= self.head_rate
        rate = phases.schedule("linear", optimiser.warmup_ratio)
        return phases.scheduler(lrs, rate, rounds, len(self.learn.dls.train), self.total)

    def _worth(self) -> Callable[[dict[str, float]], float]:
        """What a measurement is worth; more is better."""
        probe = self.corpus.probe
        if self.pretrain.evaluation.best_by == "probe" and probe is not None:
            return lambda found: of_first(probe.worth(found["probe"]))
        return lambda found: of_first(-found["masked_loss"])


def _measure(learn: Learner, measures: Sequence[Measure], guesses: Guesses) -> dict[str, float]:
    """What is measured on the held-out text, by name."""
    with learn.no_bar():
        learn.validate(cbs=[*measures, guesses])
    return all_found(measures)


def _report(
    measures: Sequence[Measure],
    bar: Bar,
    history: MaskedHistory,
    best: Best,
    before: dict[str, float],
) -> dict[str, Any]:
    """What was measured before and after, how far the training went, and how fast."""
    steps = int(history.lines[-1]["step"] or 0)
    facts = {name: value for measure in measures for name, value in measure.facts.items()}
    return {
        **{name: {"before": before[name], "after": now} for name, now in best.found.items()},
        **facts,
        "steps": steps,
        "best_step": best.step,
        "stopped_early": best.stopped,
        "epochs": steps / history.per_pass,
        "tokens": bar.tokens,
        "tokens_per_second": round(bar.tokens / bar.seconds, 1),
        "history": [line | {"kept": int(line["step"] == best.step)} for line in history.lines],
    }
