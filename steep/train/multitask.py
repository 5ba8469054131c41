"""How does one encoder learn several tasks at once? A head for each, and batches of one task each.

Sun et al. 2019, section 5.5: all tasks share the encoder, each has a head of its own. Which task a
batch is of is drawn at random.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steep.args.training import LossArgs
from steep.data.batches import by_length, shuffled
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.metrics.scores import primary, score
from steep.models.checkpoints import check_length, load_classifier, load_tokenizer
from steep.models.devices import Machine
from steep.models.families import check_tokenizer
from steep.models.heads import Classifier
from steep.seeds import derive, numbers
from steep.shelf.multitask import MultitaskArgs, Sampling
from steep.train import engine, phases
from steep.train.callbacks import At, Bar, Epochs, Resumable, gentler
from steep.train.losses import Loss, loss_for
from steep.train.pile import Batch, prebatched
from steep.train.readings import StopIfDiverged, readings_of
from steep.train.rows import ShownRows
from steep.train.saves import Saves


class Mixture:
    """Epochs of as many batches as it takes to see every row of all tasks once.

    Each batch is of a task drawn in proportion to its size, or to the root of that, and brings the
    next rows of that task, which runs through passes of its own. The draw depends on the seed and
    the epoch alone, so a run can be resumed at any batch: `start` is the first of this epoch.
    """

    n_inp = 2

    def __init__(
        self, sets: Mapping[str, ShownRows], batch_size: int, sampling: Sampling, seed: int
    ) -> None:
        self.sets, self.batch_size, self.seed = dict(sets), batch_size, seed
        self.epoch, self.start = 0, 0
        self.per_pass = [-(-len(rows) // batch_size) for rows in self.sets.values()]
        sizes = np.array([len(rows) for rows in self.sets.values()], float)
        weights = sizes if sampling == "size" else np.sqrt(sizes)
        self.shares = weights / weights.sum()
        self._turns: dict[int, list[tuple[int, int]]] = {}
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def __len__(self) -> int:
        return sum(self.per_pass)

    def order(self) -> range:
        """The batches of this epoch that are to come."""
        return range(self.start, len(self))

    def __getitem__(self, index: int) -> Batch:
        which, number = self.turns()[index]
        turn, place = divmod(number, self.per_pass[which])
        first = place * self.batch_size
        rows = self._order(which, turn)[first : first + self.batch_size]
        return batch_of_task(list(self.sets.values())[which], rows, which)

    def turns(self) -> list[tuple[int, int]]:
        """Of each batch of this epoch, its task and which of that task's batches it is, from 0."""
        if self.epoch not in self._turns:
            drawn = np.concatenate([self._drawn(epoch) for epoch in range(self.epoch + 1)])
            number = np.zeros(len(drawn), int)
            for which in range(len(self.sets)):
                mine = np.flatnonzero(drawn == which)
                number[mine] = np.arange(len(mine))
            pairs = list(zip(drawn.tolist(), number.tolist(), strict=True))
            self._turns = {self.epoch: pairs[-len(self) :]}
        return self._turns[self.epoch]

    def _drawn(self, epoch: int) -> np.ndarray:
        random = numbers(self.seed, "tasks", epoch)
        return random.choice(len(self.shares), len(self), p=self.shares)

    def _order(self, which: int, turn: int) -> np.ndarray:
        """The rows of a task in its pass number `turn`; the last one is remembered."""
        name, rows = list(self.sets.items())[which]
        if self._orders.get(which, (-1,))[0] != turn:
            seed = derive(self.seed, "task", name)
            self._orders[which] = turn, shuffled(rows.lengths, self.batch_size, seed, turn)
        return self._orders[which][1]


class Validation:
    """The validation rows of every task, in batches of one task each that are always the same."""

    def __init__(self, sets: Mapping[str, ShownRows], batch_size: int) -> None:
        self.batches: list[tuple[ShownRows, np.ndarray, int]] = []
        for which, rows in enumerate(sets.values()):
            order = by_length(rows.lengths)
            cuts = range(batch_size, len(order), batch_size)
            self.batches += [(rows, members, which) for members in np.split(order, cuts)]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return batch_of_task(*self.batches[index])


def batch_of_task(rows: ShownRows, members: np.ndarray, which: int) -> Batch:
    """Some rows of task `which`: inputs (rows, 2 or 3, length), `which`, labels, `which`."""
    inputs, labels = rows.batch([rows[i] for i in members])
    number = torch.tensor(which)
    return inputs, number, labels, number


@dataclass
class Losses:
    """The loss of whichever task a batch is of."""

    of_tasks: list[Loss]

    def __call__(self, outputs: Tensor, labels: Tensor, which: Tensor) -> Tensor:
        return self.of_tasks[int(which)](outputs, labels)


class TaskScores(Resumable):
    """Scores the validation rows of every task after each epoch, by the task's own metric."""

    run_train, order = False, At.SCORES
    saved = ("history", "seconds")

    def __init__(self, sets: Mapping[str, Data], bar: Bar) -> None:
        self.sets, self.bar, self.seconds = sets, bar, 0.0
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


def multitask_learner(sets: Mapping[str, Data], args: MultitaskArgs, machine: Machine) -> Learner:
    """A plain fastai `Learner` with one encoder, from `args.start`, and a head for every task.

    Raises SteepError when the checkpoint cannot be loaded or does not fit the data.
    """
    assert args.start.model is not None
    start, seed, length = args.start.model, args.seed.seed, args.length.max_length
    tokenizer = load_tokenizer(start)
    models = [
        load_classifier(start, data.labelled(), machine.attention, derive(seed, name))
        for name, data in sets.items()
    ]
    check_tokenizer(tokenizer, models[0])
    check_length(length, models[0])
    train, valid = (_rows(sets, part, tokenizer, length) for part in ("train", "valid"))
    for rows in train.values():
        rows.check_known()
    size = args.batch.size
    mixture, held = Mixture(train, size, args.tasks.sampling, seed), Validation(valid, 2 * size)
    dls = DataLoaders(
        prebatched(mixture, mixture.order, machine.device),
        prebatched(held, lambda: range(len(held)), machine.device),
        device=machine.device,
    )
    # The encoder alone is made fast: one count of random draws then says where its dropout is.
    encoder: PreTrainedModel = models[0].base_model  # type: ignore[assignment]
    machine.prepare(encoder, derive(seed, "dropout"))
    losses = [loss_for(d.labelled(), d.train.labels(), LossArgs()) for d in sets.values()]
    shared = Shared(models, machine.half)
    return engine.learner_of(
        dls, shared, Losses(losses), args.optimiser, [Epochs(dls.train.dataset)]
    )


def _rows(
    sets: Mapping[str, Data], part: str, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> dict[str, ShownRows]:
    return {
        name: ShownRows(data.parts[part], data.labelled(), tokenizer, max_length)
        for name, data in sets.items()
    }


def train_multitask(
    learn: Learner, sets: Mapping[str, Data], args: MultitaskArgs, saves: Saves | None = None
) -> list[dict[str, Any]]:
    """Train `learn`; returns a dictionary an epoch, with the validation score of each task.

    The weights are those of the last epoch: there is no one metric to select another by. Raises
    SteepError if the loss becomes infinite. With `saves`, a run that was killed is resumed.
    """
    saves, optimiser, epochs = saves or Saves(), args.optimiser, args.epochs.count
    torch.manual_seed(derive(args.seed.seed, "dropout"))
    readings = readings_of(learn)
    bar, finite = Bar(readings, "fitting all"), StopIfDiverged(readings)
    scores = TaskScores(sets, bar)
    lrs = phases.discriminative(learn, optimiser.rate, optimiser.layer_decay)
    rate = phases.schedule(args.schedule.schedule, optimiser.warmup_ratio)
    scheduler = phases.scheduler(lrs, rate, epochs, len(learn.dls.train))
    engine.run_fit(learn, epochs, scheduler, bar, [finite, scores], saves)
    if finite.diverged:
        saves.remove()
        raise SteepError(f"the loss became infinite; nothing was written. {gentler(optimiser)}")
    return scores.history


class Shared(nn.Module):
    """Classifiers of several tasks around one encoder: a batch and its task -> logits.

    The first one's encoder, which is `model`'s, becomes that of all. Sun et al. 2019, section 5.5.
    """

    def __init__(self, models: Sequence[PreTrainedModel], autocast: torch.dtype | None) -> None:
        super().__init__()
        self.model, self.autocast = models[0], autocast
        for other in models[1:]:
            setattr(other, other.base_model_prefix, self.model.base_model)
        self.tasks = nn.ModuleList(Classifier(model, autocast) for model in models)

    def forward(self, batch: Tensor, which: Tensor) -> Tensor:
        """`which`: int64 (), the number of the task."""
        return self.tasks[int(which)](batch)
