"""What of a frozen encoder is computed once? All that the head reads, while it trains alone.

A frozen encoder has no dropout, so what it gives for a row is a constant. Of a `PooledClassifier`
the pooled vector is kept, of a checkpoint's own head the outputs of the last layer, which it may
read in any way. A row is known by its tokens, so batches may come in any order and padding.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import Tensor, nn
from transformers import PreTrainedModel

from steep.data.batches import by_length
from steep.models.families import encoder_layers
from steep.models.pooling import PooledClassifier
from steep.train.callbacks import At, Bar
from steep.train.rows import ShownRows

MOST = 2_000_000_000  # bytes of memory that features may take
BYTES = 4  # of a number; 2 in bf16
KNOWN = (
    *("albert", "bert", "camembert", "deberta-v2", "distilbert", "electra", "modernbert"),
    *("mpnet", "roberta", "xlm-roberta"),
)
"""Model types whose layers give (rows, length, width) and do not look at padding: the tested ones.

A convolution, say, sees the padding beside a row: what it gives depends on the batch.
"""


def feature_note(learn: Learner) -> str:
    """What the user should know of a head that trains alone for several epochs."""
    if why := why_not_kept(learn):
        return f"the frozen encoder is computed in every epoch: {why}"
    size = f"{_size(learn) / 1e6:,.1f} MB"
    return f"what the frozen encoder gives is computed once and kept in memory ({size} at most)"


class FrozenFeatures(Callback):
    """Computes once what the head reads of every row, and forgets it after so many `epochs`.

    The rows come in an order and batches of their own, so that a run that was killed finds the same
    features, bit for bit. Dropout of the head is drawn in every epoch, as without.
    """

    order, run_valid = At.FROZEN_FEATURES, False

    def __init__(self, epochs: int, bar: Bar) -> None:
        self.epochs, self.bar = epochs, bar

    def before_train(self) -> None:
        if self.epoch >= self.epochs:
            self.learn.model.cache = None
        elif self.model.cache is None:
            self._compute()

    def after_fit(self) -> None:
        self.learn.model.cache = None

    def _compute(self) -> None:
        cache = self.learn.model.cache = FeatureCache(self.model.model, self.model.reads_first)
        self.model.eval()
        batches = [b for rows in (self.dls.train_ds, self.dls.valid_ds) for b in self._split(rows)]
        tracked = self.bar.track(batches, "frozen encoder, once")
        cache.fill(self.model, (self._inputs(*batch) for batch in tracked))
        self.model.train()

    def _split(self, rows: ShownRows) -> list[tuple[ShownRows, np.ndarray]]:
        """The rows in batches, the longest first: if memory runs out, it does so at once."""
        size, order = max(1, 2 * self.dls.train.bs // rows.most), by_length(rows.lengths)
        return [(rows, some) for some in np.split(order, range(size, len(order), size))]

    def _inputs(self, rows: ShownRows, members: np.ndarray) -> Tensor:
        return rows.batch([rows[i] for i in members])[0].to(self.dls.device)


def why_not_kept(learn: Learner) -> str:
    """Why features cannot be kept, in words; empty where they can."""
    model, kind = learn.model.model, learn.model.model.config.model_type
    head = {id(parameter) for parameter in learn.splitter(learn.model)[-1]}
    within = (id(parameter) in head for parameter in model.base_model.parameters())
    if isinstance(model, PooledClassifier) and any(within):  # what is kept comes after all of it
        return "its last norm trains with the head"
    if kind not in KNOWN:
        return f"what it gives for a row may depend on the batch in models of type '{kind}'"
    size = _size(learn)
    if size > MOST:
        return f"what it gives would take {size / 1e6:,.0f} MB of memory, over {MOST / 1e6:,.0f}"
    return ""


def _size(learn: Learner) -> int:
    """The bytes of the features of all rows, at most."""
    sets = (learn.dls.train_ds, learn.dls.valid_ds)
    cache = FeatureCache(learn.model.model, learn.model.reads_first)
    return BYTES * sum(cache.numbers(int(r.lengths.sum()), len(r) * r.most) for r in sets)


class FeatureCache:
    """What the head of `model` reads of each row, in memory, on the CPU.

    With `first_alone`, the head reads nothing but the first position of the last layer.
    """

    def __init__(self, model: PreTrainedModel, first_alone: bool = False) -> None:
        self.kept: dict[bytes, Tensor] = {}  # (width,) pooled, else (positions, width)
        self.first_alone = first_alone
        self.pooled = isinstance(model, PooledClassifier)
        layers = encoder_layers(model.base_model)
        self._source: nn.Module = layers[-1]
        self._skipped: Sequence[nn.Module] = [*layers][:-1]
        self._width = model.config.hidden_size
        if isinstance(model, PooledClassifier):
            self._source, self._skipped = model.pooling, [model.base_model]
            self._width = model.pooled_head.in_features
        self._rows: list[tuple[bytes, int]] = []
        self._found = torch.empty(0)
        self._others = -1  # Nones that a layer gives beside its outputs; -1 where it gives no tuple

    def numbers(self, tokens: int, windows: int) -> int:
        """How many numbers are kept of so many windows with so many tokens."""
        return self._width * (windows if self.pooled or self.first_alone else tokens)

    def fill(self, classifier: Callable[[Tensor], Any], batches: Iterable[Tensor]) -> None:
        """Keep what is read of all rows of `batches`; `classifier` reads a batch.

        Padding moves the last bits of an output, so the same batches give the same bits.
        """
        hook = self._source.register_forward_hook(self._find)
        try:
            with torch.no_grad():
                for batch in batches:
                    classifier(batch)
                    self._keep()
        finally:
            hook.remove()

    @contextmanager
    def reused(self, inputs: dict[str, Tensor]) -> Iterator[None]:
        """While this lasts, the model computes `inputs`, but not what is known of them.

        Of a batch with a row that is not known, everything is computed.
        """
        self._rows = list(_rows(inputs))
        known = [self.kept[key] for key, _ in self._rows if key in self.kept]
        with ExitStack() as stack:
            if len(known) == len(self._rows):
                states = self._laid(known, inputs["input_ids"])
                stack.enter_context(_instead(self._skipped, self._hand_on))
                stack.enter_context(_instead([self._source], lambda *_: self._as(states)))
            yield

    def _find(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._others = len(output) - 1 if isinstance(output, tuple) else -1
        self._found = output[0] if isinstance(output, tuple) else output

    def _keep(self) -> None:
        for (key, length), state in zip(self._rows, self._found.cpu(), strict=True):
            if not self.pooled:
                state = state[: 1 if self.first_alone else length]
            self.kept.setdefault(key, state.clone())  # a view would keep the whole batch

    def _laid(self, known: list[Tensor], ids: Tensor) -> Tensor:
        """What is kept of the rows of a batch, in the form in which it was found; 0 elsewhere."""
        if self.pooled:
            return torch.stack(known).to(ids.device)
        states = known[0].new_zeros(*ids.shape, known[0].shape[-1])
        for place, state in zip(states, known, strict=True):
            place[: len(state)] = state
        return states.to(ids.device)

    def _hand_on(self, *given: Tensor) -> Any:
        """What stands in for a module that is skipped: nobody reads it."""
        return self._as(given[0]) if given else None

    def _as(self, states: Tensor) -> Any:
        """`states` in the form in which a layer of this model gives them."""
        return states if self._others < 0 else (states, *[None] * self._others)


@contextmanager
def _instead(modules: Iterable[nn.Module], give: Callable[..., Any]) -> Iterator[None]:
    """While this lasts, `modules` give `give(*inputs)` instead of computing."""
    modules = list(dict.fromkeys(modules))  # a layer may stand in several places
    before = [vars(module).get("forward") for module in modules]
    for module in modules:
        module.forward = lambda *given, **_: give(*given)
    try:
        yield
    finally:
        for module, forward in zip(modules, before, strict=True):
            del module.forward
            if forward is not None:
                module.forward = forward


def _rows(inputs: dict[str, Tensor]) -> Iterator[tuple[bytes, int]]:
    """What each row of a batch is known by, and its length without padding, which comes last."""
    lengths = inputs["attention_mask"].sum(1).tolist()
    read = [values.cpu().numpy() for name, values in inputs.items() if name != "attention_mask"]
    for row, length in zip(np.stack(read, 1), lengths, strict=True):
        yield blake2b(row[:, :length].tobytes(), digest_size=16).digest(), length
