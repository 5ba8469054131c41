"""How do several processes train one model? Each computes its parts of every batch; all are summed.

All make the same batches, from the same seeds. A batch is cut as for gradient accumulation, and a
process computes every `count`-th part; losses and gradients are summed before the optimiser moves
the weights, which so stay the same everywhere. Labelled rows are measured and predicted in shares;
held-out text is measured by each, and decisions are those of the first. Only the first process, 0,
writes files and speaks.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from fastai.callback.core import Callback
from torch import Tensor

from steep import outputs, runs
from steep.console import quiet
from steep.errors import SteepError, number_of
from steep.launch import Ranks, become, here
from steep.models import kernels
from steep.models.devices import Machine
from steep.seeds import derive
from steep.train.callbacks import At

if TYPE_CHECKING:
    from steep.train.engine import Part, Tensors

READY = "ready"  # what the first leaves in the store when the others may begin
DRAWS = 20  # bits of the number of a dropout draw that are left to those of one step
PATIENCE = timedelta(minutes=5)  # until all processes have started
LINGER = 5.0  # seconds that others than the first wait in an error: it has the message to give

GONE = (
    "another process of this run has ended, and so has the run: it was killed, or says above what "
    "went wrong. Run the same command again; where there is a save, it is resumed."
)


class Gone(SteepError):
    """Another process of the run has ended."""


@contextmanager
def joined(ranks: Ranks) -> Iterator[None]:
    """While this lasts, this process is one of several; all but the first wait, and are silent.

    They wait until the first has read and tokenised all there is, so that they find it in the
    cache.
    """
    become(replace(ranks, store=_store(ranks)))
    if torch.cuda.is_available() and ranks.local < torch.cuda.device_count():
        torch.cuda.set_device(ranks.local)
    if not ranks.rank:
        yield
        return
    try:
        with quiet():
            _wait()
            yield
    except KeyboardInterrupt as interrupt:
        raise SystemExit(128 + number_of(interrupt)) from None


def _store(ranks: Ranks) -> dist.Store:
    address = f"env://?rank={ranks.rank}&world_size={ranks.count}"
    try:
        store, _, _ = next(dist.rendezvous(address, timeout=PATIENCE))
    except RuntimeError as error:
        why = str(error).partition("\n")[0]
        raise SteepError(f"the {ranks.count} processes of this run did not meet: {why}") from None
    return store


def _wait() -> None:
    """Wait for the first process; end where it has ended."""
    try:
        while not here().store.check([READY]):
            time.sleep(0.1)
    except RuntimeError:  # of torch, where its store is gone
        raise SystemExit(2) from None
    _connect()


def _connect() -> None:
    ranks = here()
    dist.init_process_group(store=ranks.store, rank=ranks.rank, world_size=ranks.count)


def check(machine: Machine) -> None:
    """Raises SteepError if there is no device of the kind of `machine` for this process."""
    count, kind = here().count, machine.device.type
    if count == 1 or kind == "cpu":
        return
    found = torch.cuda.device_count() if kind == "cuda" else 1
    if here().local >= found or kind != "cuda":
        raise SteepError(
            f"{count} processes: each needs a device of its own, but there are {found} of type "
            f"{kind}. Start fewer, or add --device cpu."
        )


@contextmanager
def writing(out: Path, stage: str, args: Any, overwrite: bool) -> Iterator[runs.Run]:
    """The run folder; for a process that is not the first, one that is thrown away."""
    if here().rank:
        with TemporaryDirectory() as folder:
            yield runs.Run(Path(folder), out, runs.manifest(stage, args))
        return
    with outputs.writing(out, stage, args, overwrite) as run:
        yield run


@contextmanager
def together() -> Iterator[None]:
    """What all processes of a run do; afterwards, only the first goes on, and the others end."""
    ranks = here()
    if ranks.count == 1:
        yield
        return
    if not ranks.rank:
        ranks.store.set(READY, "")
        _connect()
    try:
        yield
        agreed(0)
    except SteepError as error:
        if ranks.rank:
            time.sleep(LINGER)
            raise SystemExit(2) from None
        raise SteepError(GONE) if isinstance(error, Gone) else error from None
    dist.destroy_process_group()
    if ranks.rank:
        raise SystemExit(0)


@contextmanager
def _with_others() -> Iterator[None]:
    """A context in which the processes exchange something; Gone where one of them has ended."""
    try:
        yield
    except RuntimeError as error:
        raise Gone(str(error)) from None


def agreed(number: float) -> float:
    """The largest `number` that a process gives."""
    return _exchanged(number, lambda one: dist.all_reduce(one, dist.ReduceOp.MAX))


def of_first(number: float) -> float:
    """The `number` that the first process gives: for what may differ by rounding, or by time."""
    return _exchanged(number, lambda one: dist.broadcast(one, 0))


def _exchanged(number: float, exchange: Callable[[Tensor], object]) -> float:
    if here().count == 1:
        return number
    one = torch.tensor(number, dtype=torch.float64)
    with _with_others():
        exchange(one)
    return float(one)


def own_parts(
    cut: "Callable[[Tensors, Tensors], list[Part]]",
) -> "Callable[[Tensors, Tensors], list[Part]]":
    """What gives those parts of a batch that this process computes.

    Where there are fewer than processes, the first part once more, counted as nothing: the model is
    to have the same gradients everywhere.
    """
    ranks = here()

    def own(inputs: "Tensors", labels: "Tensors") -> "list[Part]":
        parts = cut(inputs, labels)
        return parts[ranks.rank :: ranks.count] or [replace(parts[0], share=0.0)]

    return own


def by_rows(compute: Callable[[np.ndarray], np.ndarray], count: int) -> np.ndarray:
    """What `compute` gives for the rows 0 to `count`, (count, ...): each process computes its own.

    It is given the numbers of some rows, at least one, int64 (n,).
    """
    rows = np.arange(count)
    if here().count == 1:
        return compute(rows)
    return _gathered(torch.from_numpy(compute(_own(rows))), count).numpy()


def _own(rows: Any) -> Any:
    """Those of `rows`, or of a tensor, that this process computes; the first, if there are none."""
    ranks = here()
    return rows[ranks.rank :: ranks.count] if len(rows) > ranks.rank else rows[:1]


def _gathered(found: Tensor, count: int) -> Tensor:
    """What all processes found for their own of `count` rows, (count, ...), the same in each."""
    ranks = here()
    whole = found.new_zeros(count, *found.shape[1:])
    own = whole[ranks.rank :: ranks.count]
    own += found[: len(own)]
    with _with_others():
        dist.all_reduce(whole)
    return whole


def sharing(seed: int) -> list[Callback]:
    """What lets a `Learner` train with the other processes; nothing where there are none."""
    return [] if here().count == 1 else [OwnDropout(seed), SumLosses(), SumGradients()]


class OwnDropout(Callback):
    """Draws the dropout of a step from its number and the process, so that no two are alike.

    Nothing else is drawn in a step: a run that is resumed needs no random state of the others.
    """

    order, run_valid = At.OWN_DROPOUT, False

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_batch(self) -> None:
        ranks = here()
        torch.manual_seed(derive(self.seed, "dropout", self.train_iter, ranks.rank))
        kernels.draw_on(self.model, (self.train_iter * ranks.count + ranks.rank) << DRAWS)


class ShareRows(Callback):
    """On validation, computes the own rows of a batch: who reads what was predicted sees them all.

    Not for masked tokens: what is predicted of these is too large to send.
    """

    order, run_train = At.SHARE_ROWS, False

    def before_batch(self) -> None:
        self.whole = self.xb
        self.learn.xb = tuple(_own(part) for part in self.xb)

    def after_pred(self) -> None:
        self.learn.xb = self.whole
        self.learn.pred = _gathered(self.pred, len(self.whole[0]))


class SumLosses(Callback):
    """Makes the loss of a batch that of all processes; on validation, that of the first."""

    order = At.SUM_LOSSES

    def after_loss(self) -> None:
        self.learn.loss = self.loss.detach().clone()
        with _with_others():
            if self.training:
                dist.all_reduce(self.learn.loss)
            else:
                dist.broadcast(self.learn.loss, 0)


class SumGradients(Callback):
    """Sums the gradients of all processes, before they are clipped."""

    order, run_valid = At.SUM_GRADIENTS, False

    def before_fit(self) -> None:
        with _with_others():  # the same already, but for the rounding of what was computed
            for value in self.model.state_dict().values():
                dist.broadcast(value, 0)

    def before_step(self) -> None:
        params = chain.from_iterable(self.opt.param_lists)
        grads = [p.grad for p in params if p.grad is not None]
        with _with_others():
            for work in [dist.all_reduce(grad, async_op=True) for grad in grads]:
                work.wait()
