"""What happens around the training steps? Order of rows, accumulation, scores, progress."""

import math
import time

import torch
from fastai.callback.core import Callback, CancelBatchException, CancelFitException
from fastai.learner import Recorder
from rich.progress import Progress
from torch import Tensor

from steep.console import err, progress, say
from steep.data.corpus import Task
from steep.metrics.scores import higher_is_better, score
from steep.train.checkpoints import Remembering
from steep.train.mixture import Mixture
from steep.train.rows import Order
from steep.train.windows import Stream


class Epochs(Remembering):
    """Tells the source of training batches which epoch it is, counted over all fits.

    `source.start` is the first batch of the epoch to come: not 0 where a killed run goes on.
    """

    kept, order = ("done",), 1001  # an epoch is done after all else that happens after it

    def __init__(self, source: Order | Stream | Mixture) -> None:
        self.source, self.done = source, 0

    def before_train(self) -> None:
        self.source.epoch = self.done

    def after_train(self) -> None:
        self.done += 1
        self.source.start = 0


class PlainLosses(Callback):
    """Keeps the recorder's losses as numbers, where fastai keeps a tensor of every step.

    Such a tensor lies among the blocks that a step frees, and pins them apart: after some thousand
    ragged steps a process held twice the memory, most of it free but in pieces.
    """

    order, run_valid = 51, False  # after the recorder

    def after_batch(self) -> None:
        self.recorder.losses[-1] = float(self.recorder.losses[-1])


class Accumulate(Callback):
    """One step of the optimiser for `batch_size` rows computed in parts.

    Each part's mean loss counts by its share of the rows, so that the gradient is that of the whole
    batch; a smaller last batch of an epoch is a step of its own. (fastai's own GradientAccumulation
    carries it over into the next epoch.)
    """

    order, run_valid = -4, False

    def __init__(self, batch_size: int, rows: int) -> None:
        self.batch_size, self.rows, self.seen = batch_size, rows, 0

    def before_train(self) -> None:
        self.seen = self.epochs.source.start * self.dls.train.bs

    def after_loss(self) -> None:
        batch = self.seen // self.batch_size
        size = min(self.batch_size, self.rows - batch * self.batch_size)
        self.learn.loss_grad = self.loss_grad * (len(self.yb[0]) / size)
        self.seen += len(self.yb[0])

    def before_step(self) -> None:
        if self.seen % self.batch_size and self.seen < self.rows:
            raise CancelBatchException


class StopIfDiverged(Callback):
    """Ends a training whose loss, also on validation, is not finite: nothing good comes of it."""

    diverged = False

    def after_loss(self) -> None:
        if not torch.isfinite(self.loss):
            self.diverged = True
            raise CancelFitException


class Scores(Remembering):
    """Scores the validation rows after each epoch and keeps the weights of the best.

    `history` holds a dictionary an epoch; its seconds are those of `bar` and of the validations.
    Ties in the metric go to the lower loss.
    """

    run_train, order = False, 70
    kept = ("history", "best", "best_epoch", "weights", "seconds")

    def __init__(self, task: Task, metric: str, bar: "Bar") -> None:
        self.task, self.metric, self.bar_of_run = task, metric, bar
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
        self._note(score(self.task, truth, probabilities))

    def _note(self, scores: dict[str, float]) -> None:
        self.seconds += time.monotonic() - self.started
        train_loss, valid_loss = (
            float(x.value) for x in (self.recorder.smooth_loss, self.recorder.loss)
        )
        line = {"epoch": self.epoch + 1, "train_loss": train_loss, "valid_loss": valid_loss}
        rate = {"learning_rate": float(self.opt.hypers[-1]["lr"])}
        seconds = {"seconds": round(self.bar_of_run.seconds + self.seconds, 2)}
        self.history.append(line | scores | rate | seconds)
        sign = 1 if higher_is_better(self.metric) else -1
        rank = [sign * scores.get(self.metric, -math.inf), -valid_loss]
        if rank > self.best:
            self.best, self.best_epoch = rank, self.epoch + 1
            state = self.model.state_dict()
            self.weights = {name: value.detach().cpu().clone() for name, value in state.items()}

    def after_fit(self) -> None:
        if self.weights:
            self.model.load_state_dict(self.weights)


class Bar(Remembering):
    """A progress bar over all training steps, with tokens a second (padding does not count).

    Where there is no terminal, a line an epoch. `total` is the number of steps where it is not the
    same in every epoch.
    """

    order, run_valid = 80, False
    kept = ("tokens", "seconds")

    def __init__(self, description: str, total: int | None = None) -> None:
        self.description, self.total, self.tokens, self.seconds = description, total, 0, 0.0
        self.live: Progress | None = None

    def before_fit(self) -> None:
        self.total = self.total or len(self.dls.train) * self.n_epoch
        self.live = progress()
        self.task = self.live.add_task(self.description, total=self.total, rate="")
        self.live.start()

    def before_train(self) -> None:
        self.since = time.monotonic()

    def after_batch(self) -> None:
        self.tokens += self.read()
        now = time.monotonic()
        self.seconds, self.since = self.seconds + now - self.since, now
        if self.live is not None:
            self.live.update(self.task, completed=self.train_iter, rate=self.pace)

    def read(self) -> int:
        """Tokens of the batch."""
        return int(self.xb[0][..., 1, :].sum())

    def after_train(self) -> None:
        if not err.is_terminal:
            say(f"{self.description}, {self.epoch + 1} of {self.n_epoch}:{self.pace}")

    def after_cancel_fit(self) -> None:
        self.close()

    def after_fit(self) -> None:
        self.close()

    def close(self) -> None:
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
