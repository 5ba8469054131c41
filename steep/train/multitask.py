"""How does one encoder learn several tasks at once? A head each, batch by batch in turns."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from fastai.learner import Learner
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steep.args import MultitaskArgs
from steep.args.fit import LossArgs
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.metrics.scores import primary, score
from steep.models.checkpoints import check_length, load_classifier, load_tokenizer
from steep.models.devices import Machine
from steep.models.families import check_tokenizer
from steep.models.heads import Shared
from steep.seeds import derive
from steep.train import engine, schedules
from steep.train.callbacks import Bar, StopIfDiverged
from steep.train.checkpoints import Remembering
from steep.train.losses import Loss, loss_for
from steep.train.mixture import Mixture, Validation, loaders
from steep.train.rows import ShownRows
from steep.train.saves import Saves

FITTING = "fitting all"


@dataclass
class Losses:
    """The loss of whichever task a batch is of."""

    of_tasks: list[Loss]

    def __call__(self, outputs: Tensor, labels: Tensor, which: Tensor) -> Tensor:
        return self.of_tasks[int(which)](outputs, labels)


def learner(sets: Mapping[str, Data], args: MultitaskArgs, machine: Machine) -> Learner:
    """A plain fastai `Learner` with one encoder, from `args.model`, and a head for every set.

    Raises SteepError when the checkpoint cannot be loaded or does not fit the data.
    """
    assert args.model is not None
    tokenizer = load_tokenizer(args.model)
    models = [
        load_classifier(args.model, data.labelled(), machine.attention, derive(args.seed, name))
        for name, data in sets.items()
    ]
    check_tokenizer(tokenizer, models[0])
    check_length(args.max_length, models[0])
    train, valid = (_rows(sets, part, tokenizer, args.max_length) for part in ("train", "valid"))
    mixture = Mixture(train, args.batch_size, args.sampling, args.seed)
    dls = loaders(mixture, Validation(valid, 2 * args.batch_size), machine.device)
    # The encoder alone is made fast, so that one count of draws tells where its dropout stands.
    encoder: PreTrainedModel = models[0].base_model  # type: ignore[assignment]
    machine.prepare(encoder, derive(args.seed, "dropout"))
    losses = [loss_for(d.labelled(), d.train.labels(), LossArgs()) for d in sets.values()]
    return engine.shared_learner(Shared(models, machine.bf16), dls, Losses(losses), args)


def train(
    learn: Learner, sets: Mapping[str, Data], args: MultitaskArgs, saves: Saves | None = None
) -> list[dict[str, Any]]:
    """Train `learn`; returns a dictionary an epoch, with the score of each set on its validation.

    The weights are those of the last epoch: there is no one metric to choose another by. Raises
    SteepError if the loss becomes infinite. With `saves`, a run that was killed goes on.
    """
    torch.manual_seed(derive(args.seed, "dropout"))
    bar, finite, scores = Bar(FITTING), StopIfDiverged(), TaskScores(sets)
    lrs = schedules.discriminative(learn, args.learning_rate, args.decay)
    course = schedules.course(args.schedule, args.warmup)
    scheduler = schedules.scheduler(lrs, course, args.epochs, len(learn.dls.train))
    engine.run(learn, args.epochs, scheduler, [bar, finite, scores], saves, FITTING)
    if finite.diverged:
        if saves is not None:
            saves.remove()
        raise SteepError(
            "the loss became infinite; nothing was written. "
            f"Choose a learning_rate below {args.learning_rate:g}."
        )
    return scores.history


def _rows(
    sets: Mapping[str, Data], part: str, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> dict[str, ShownRows]:
    return {
        name: ShownRows(data.parts[part], data.labelled(), tokenizer, max_length)
        for name, data in sets.items()
    }


class TaskScores(Remembering):
    """Scores the validation rows of every set after each epoch, by the set's own metric."""

    run_train, order = False, 70
    kept = ("history", "seconds")

    def __init__(self, sets: Mapping[str, Data]) -> None:
        self.sets, self.seconds = sets, 0.0
        self.history: list[dict[str, Any]] = []

    def before_validate(self) -> None:
        self.started = time.monotonic()
        self.found: list[list[tuple[Tensor, Tensor]]] = [[] for _ in self.sets]

    def after_pred(self) -> None:
        labels, which = self.yb
        self.found[int(which)].append((self.pred.detach().cpu(), labels.cpu()))

    def after_validate(self) -> None:
        rate = float(self.opt.hypers[-1]["lr"])
        line = {"epoch": self.epoch + 1, "train_loss": float(self.recorder.smooth_loss.value)}
        for number, (name, data) in enumerate(self.sets.items()):
            line[f"{name} {primary(data.labelled())}"] = self._score(number, data)
        self.seconds += time.monotonic() - self.started
        seconds = round(self.bar.seconds + self.seconds, 2)
        self.history.append(line | {"learning_rate": rate, "seconds": seconds})

    def _score(self, number: int, data: Data) -> float:
        outputs, labels = (torch.cat(parts) for parts in zip(*self.found[number], strict=True))
        loss: Loss = self.loss_func.of_tasks[number]
        found = score(data.labelled(), labels.numpy(), loss.activation(outputs).numpy())
        return found.get(primary(data.labelled()), float("nan"))
