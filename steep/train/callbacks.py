"""What happens around the training steps, and in which order? Scores, progress, who is told.

fastai calls callbacks by their `order`. At every event of a fit (before_train, before_batch,
after_loss, ...) they act one after the other, the lowest number first: `At` is the table of them.
fastai's own: -10 sets the training mode, 0 is the user's unless it says otherwise, 50 is the
Recorder, 60 the scheduler of learning rates.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
from fastai.callback.core import Callback
from fastai.learner import Recorder
from rich.progress import Progress
from torch import Tensor

from steep.args.training import LayerArgs, OptimiserArgs
from steep.console import err, progress, say
from steep.data.corpus import Task
from steep.metrics.scores import higher_is_better, score
from steep.openings import Follower
from steep.train.saves import copied_weights, restore_weights

if TYPE_CHECKING:
    from steep.train.readings import Readings


class At(IntEnum):
    """The `order` of each callback of Steep, in which they act, and why there."""

    # Before a training epoch: what trains in it, once fastai has set the training mode.
    FROZEN_FEATURES = -7  # computes them in evaluation mode, before layers are set to train
    UNFREEZE = -6  # which layers train: before dropout, which follows from that
    FROZEN_WITHOUT_DROPOUT = -5  # after whoever freezes, Steep or fastai's `freeze_to`
    # Around a batch.
    SHARE_ROWS = -2  # of a validation batch: joined before others look at what was predicted
    SUM_GRADIENTS = 9  # of all processes, before they are unscaled or clipped
    CLIP = 11  # as fastai's GradientClip: after 10, where mixed precision unscales gradients
    READINGS = 51  # after the Recorder, whose list it keeps plain
    RESUME = 55  # after fastai's own, before all that reads what is restored
    OWN_DROPOUT = 56  # of each process: after random numbers are restored, before they are drawn
    ACCUMULATION = 57  # after random numbers are restored: it computes most of the batch
    SUM_LOSSES = 58  # of all processes, after the loss of the parts is added up
    STOP_IF_DIVERGED = 59  # after the loss is that of the whole batch
    LOSS_SCALE = 62  # of the whole batch's loss
    # After a validation: scores first, then what is made of them.
    MEASURE = 60  # masked loss and accuracy, and what else an objective measures
    GUESSES = 61  # what was guessed at masked tokens
    PROBE = 65  # a linear classifier on the encoder's features
    SCORES = 70  # of a classifier; the best epoch's weights are copied
    BAR = 80  # counts tokens and seconds: before the line of history that says them
    HISTORY = 90  # the line of history: all scores are there
    FOLLOW_HISTORY = 92  # sends the line on: before BEST may end the training
    BEST = 95  # may end the training: after the line of history is written
    # Last: whatever happens after a batch is in the save, and an epoch that is saved is not over.
    SAVER = 1000
    EPOCHS = 1001


Item = TypeVar("Item")


class Resumable(Callback):
    """A callback whose attributes named in `saved` are in every save, and restored from it.

    They are plain JSON values, tensors, or dictionaries of these.
    """

    saved: tuple[str, ...] = ()


class BatchSource(Protocol):
    """What training batches come from: epoch by epoch, and within one from any batch on."""

    epoch: int
    start: int  # the first batch of the epoch to come: not 0 where a killed run is resumed


class Epochs(Resumable):
    """Tells the source of training batches which epoch it is, counted over all fits.

    So the rows of a second fit come in another order than those of the first.
    """

    saved, order = ("done",), At.EPOCHS

    def __init__(self, source: BatchSource) -> None:
        self.source, self.done = source, 0

    def before_train(self) -> None:
        self.source.epoch = self.done

    def after_train(self) -> None:
        self.done += 1
        self.source.start = 0


def gentler(optimiser: OptimiserArgs, layers: LayerArgs | None = None) -> str:
    """What to change after a training diverged, as a sentence."""
    given = [("learning_rate", optimiser.rate)]
    if layers and layers.head_epochs and layers.head_learning_rate > LayerArgs().head_learning_rate:
        given.append(("head_learning_rate", layers.head_learning_rate))
    if optimiser.weight_decay > OptimiserArgs().weight_decay:
        given.append(("weight_decay", optimiser.weight_decay))
    return f"Choose {' or '.join(f'a {name} below {value:g}' for name, value in given)}."


class Bar(Resumable):
    """A progress bar over all training steps, with tokens a second (padding does not count).

    They are counted in the steps that `readings` reads in. Where there is no terminal, a line an
    epoch. `total` is the number of steps where it is not the same in every epoch.
    """

    order, run_valid = At.BAR, False
    saved = ("tokens", "seconds")

    def __init__(self, readings: "Readings", description: str, total: int | None = None) -> None:
        self.readings, self.description, self.total = readings, description, total
        self.tokens, self.seconds = 0, 0.0
        self.live: Progress | None = None

    def before_fit(self) -> None:
        self.total = self.total or len(self.dls.train) * self.n_epoch
        self.live = progress()
        self.task = self.live.add_task(self.description, total=self.total, rate="")
        self.live.start()

    def before_train(self) -> None:
        self.since, self.waiting = time.monotonic(), torch.zeros((), dtype=torch.int64)

    def after_batch(self) -> None:
        self.waiting = self.count_tokens() + self.waiting
        if self.readings.now:
            self.read()
            if self.live is not None:
                self.live.update(self.task, completed=self.train_iter, rate=self.pace)

    def read(self) -> None:
        """Add the tokens and seconds of the steps since this was done last."""
        self.tokens, self.waiting = self.tokens + int(self.waiting), 0 * self.waiting
        now = time.monotonic()
        self.seconds, self.since = self.seconds + now - self.since, now

    def count_tokens(self) -> Tensor:
        """Tokens of the batch, int64 ()."""
        return self.xb[0][..., 1, :].sum().as_subclass(Tensor)

    def track(self, items: Sequence[Item], description: str) -> Iterator[Item]:
        """The items, under a bar of their own beside this one; their seconds count as training."""
        assert self.live is not None
        started = time.monotonic()
        task = self.live.add_task(description, total=len(items), rate="")
        for item in items:
            yield item
            self.live.advance(task)
        self.live.remove_task(task)
        self.seconds += time.monotonic() - started

    def after_train(self) -> None:
        self.read()
        if not err.is_terminal:
            say(f"{self.description}, {self.epoch + 1} of {self.n_epoch}:{self.pace}")

    def after_fit(self) -> None:  # also of one that was cancelled
        if self.live is not None:
            self.live.stop()
            self.live = None

    @property
    def pace(self) -> str:
        rate = self.tokens / max(self.seconds, 1e-9) / 1000
        return f" {rate:.1f}k tokens/s, loss {self.smooth:.3f}"

    @property
    def smooth(self) -> float:
        recorder: Recorder = self.learn.recorder
        return float(recorder.smooth_loss.value)


class Scores(Resumable):
    """Scores the validation rows after each epoch, and keeps the weights of the best or the `last`.

    `history` holds a dictionary an epoch; its seconds are those of `bar` and of the validations.
    Ties in the metric go to the lower loss.
    """

    run_train, order = False, At.SCORES
    saved = ("history", "best", "best_epoch", "weights", "seconds")

    def __init__(self, task: Task, metric: str, bar: Bar, last: bool = False) -> None:
        self.task, self.metric, self.bar, self.last = task, metric, bar, last
        self.history: list[dict[str, float]] = []
        self.best = [-math.inf, -math.inf]
        self.best_epoch, self.seconds = 0, 0.0
        self.weights: dict[str, Tensor] = {}

    def before_validate(self) -> None:
        self.started = time.monotonic()
        self.outputs: list[Tensor] = []
        self.targets: list[Tensor] = []

    def after_pred(self) -> None:
        self.outputs.append(self.pred.detach().cpu())
        self.targets.append(self.yb[0].cpu())

    def after_validate(self) -> None:
        probabilities = self.loss_func.activation(torch.cat(self.outputs)).numpy()
        truth = self.loss_func.truth(torch.cat(self.targets)).numpy()
        self.note(score(self.task, truth, probabilities))

    def note(self, scores: dict[str, float]) -> None:
        """The line of history of an epoch with these scores; the best one's weights are copied."""
        self.seconds += time.monotonic() - self.started
        train_loss, valid_loss = (
            float(x.value) for x in (self.recorder.smooth_loss, self.recorder.loss)
        )
        line = {"epoch": self.epoch + 1, "train_loss": train_loss, "valid_loss": valid_loss}
        rate = {"learning_rate": float(self.opt.hypers[-1]["lr"])}
        seconds = {"seconds": round(self.bar.seconds + self.seconds, 2)}
        self.history.append(line | scores | rate | seconds)
        sign = 1 if higher_is_better(self.metric) else -1
        rank = [sign * scores.get(self.metric, -math.inf), -valid_loss]
        if self.last:  # nothing to keep, or to restore
            self.best_epoch = self.epoch + 1
        elif rank > self.best:
            self.best, self.best_epoch = rank, self.epoch + 1
            self.weights = copied_weights(self.model)

    def after_fit(self) -> None:
        if self.weights:
            restore_weights(self.weights, self.model)


class FollowHistory(Callback):
    """Sends each new line of a history to the followers of a run.

    `lines` gives the history as far as it is known. A run that is resumed sends it again from the
    beginning: the followers may have been told of steps that were lost with the kill.
    """

    order, run_train = At.FOLLOW_HISTORY, False

    def __init__(
        self, followers: Sequence[Follower], lines: Callable[[], Sequence[Mapping[str, Any]]]
    ) -> None:
        self.followers, self.lines, self.sent = followers, lines, 0

    def after_validate(self) -> None:
        lines = self.lines()
        for line in lines[self.sent :]:
            for follower in self.followers:
                follower.line(line, int(line.get("step", line["epoch"])))
        self.sent = len(lines)
