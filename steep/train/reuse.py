"""When are outputs of frozen layers computed, and how long do they serve? Told by the phases."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import Tensor

from steep.args import FitArgs
from steep.console import say
from steep.data.batches import by_length
from steep.models.frozen import KNOWN, Frozen
from steep.models.layers import encoder_layers
from steep.models.pooling import LAST
from steep.train import phases

BYTES = 4  # of a number; 2 in bf16
SHARE = 2  # of what is free on the disk, a half may be used


def frozen_layers(learn: Learner, args: FitArgs) -> list[int]:
    """How many of the lowest layers are frozen in each epoch; empty where that is of no use."""
    known = learn.model.model.config.model_type in KNOWN
    return _planned(learn, args) if known and not args.recompute else []


def depths(frozen: list[int], epoch: int) -> list[int]:
    """At which depths outputs that are computed in `epoch` serve, in it and in later epochs.

    Those of a depth serve until a layer of that depth learns. None where they would serve once.
    """
    uses = [depth for depth in accumulate(frozen[epoch:], min) if depth > 0]
    return sorted(set(uses)) if len(uses) > 1 else []


def notes(learn: Learner, args: FitArgs) -> list[str]:
    """What is kept on the disk meanwhile; nothing where nothing is frozen for long."""
    frozen, kind = _planned(learn, args), learn.model.model.config.model_type
    if not frozen or args.recompute:
        return []
    if kind not in KNOWN:
        why = f"what they give for a row may depend on its batch in models of type {kind}"
        return [f"frozen layers are computed in every epoch: {why}"]
    size = _size(learn) * _most(frozen)
    return [
        "layers that stay frozen are computed once; what they give is kept on the disk until the "
        f"fit ends ({size / 1e6:,.0f} MB at most; --recompute does without)"
    ]


def room(folder: Path | None) -> int:
    """The bytes that outputs may take in `folder`, or where temporary files go."""
    return shutil.disk_usage(folder or tempfile.gettempdir()).free // SHARE


class Reuse(Callback):
    """Computes layers that stay frozen once, before the first epoch that has use for it.

    The rows come in an order and batches of their own, so that a run that was killed finds the
    same outputs, bit for bit. Where `room` bytes are too few, outputs of fewer depths are kept.
    """

    order = phases.Unfreeze.order - 1  # before parts of the model are set to learn
    run_valid = False

    def __init__(self, frozen: list[int], room: int, folder: Path | None) -> None:
        self.frozen, self.room, self.folder = frozen, room, folder

    def before_fit(self) -> None:
        self.outputs = self.learn.model.frozen = Frozen(self.model.model, self.folder)
        self.allowed = _thinned(self.frozen, self.room // _size(self.learn))

    def before_train(self) -> None:
        now = self.frozen[self.epoch]
        self.outputs.forget(above=now)
        wanted = [d for d in depths(self.frozen, self.epoch) if d in self.allowed]
        missing = [depth for depth in wanted if depth not in self.outputs.kept]
        if missing:
            self._compute(missing)
        self.outputs.use(most=now)

    def after_fit(self) -> None:
        self.learn.model.frozen = None

    def _compute(self, missing: list[int]) -> None:
        started = time.monotonic()
        self.model.eval()
        try:
            self.outputs.compute(self.model, self._batches(), missing)
        except OSError as error:
            say(f"outputs of frozen layers cannot be kept, so they are computed anew: {error}")
            self.allowed = set()
        self.model.train()
        self.bar.seconds += time.monotonic() - started

    def _batches(self) -> Iterator[Tensor]:
        """All rows, in the order of their lengths, under the progress bar of the fit."""
        size, found = 2 * self.dls.train.bs, []
        for rows in (self.dls.train_ds, self.dls.valid_ds):
            order = by_length(rows.lengths)
            found += [(rows, some) for some in np.split(order, range(size, len(order), size))]
        task = self.bar.live.add_task("frozen layers, once", total=len(found), rate="")
        for rows, members in found:
            yield rows.batch([rows[i] for i in members])[0].to(self.dls.device)
            self.bar.live.advance(task)
        self.bar.live.remove_task(task)


def _planned(learn: Learner, args: FitArgs) -> list[int]:
    """How many of the lowest layers are frozen in each epoch; empty where none are for long."""
    model = learn.model.model
    plan = phases.of(args, len(learn.splitter(learn.model)))
    most = len(encoder_layers(model.base_model))
    if args.pooling == "last4":  # reads what the top layers give, each
        most -= LAST - 1
    frozen = [max(min(p.first - 1, most), 0) for p in plan for _ in range(p.epochs)]
    return frozen if _most(frozen) else []


def _most(frozen: list[int]) -> int:
    """At how many depths outputs are kept at once."""
    return max(len(depths(frozen, epoch)) for epoch in range(len(frozen)))


def _thinned(frozen: list[int], count: int) -> set[int]:
    """The depths at which outputs are kept, where no more than `count` may be at once."""
    found = sorted({depth for epoch in range(len(frozen)) for depth in depths(frozen, epoch)})
    if count >= _most(frozen):
        return {*found}
    if not count:
        return set()
    step = -(-len(found) // count)
    return {*found[(step - 1) // 2 :: step]}


def _size(learn: Learner) -> int:
    """The bytes of the outputs of one depth for all rows, at most."""
    tokens = sum(int(rows.lengths.sum()) for rows in (learn.dls.train_ds, learn.dls.valid_ds))
    return BYTES * tokens * learn.model.model.config.hidden_size
