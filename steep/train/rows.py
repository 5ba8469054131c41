"""How do labelled texts reach the classifier? fastai `DataLoaders` over a tokenised corpus."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import datasets
import numpy as np
import pandas as pd
import torch
from fastai.data import core
from fastai.data.core import DataLoaders, TfmdDL
from fastai.data.transforms import Category, CategoryMap, MultiCategory
from fastai.text.data import TensorText
from fastai.torch_core import TitledStr, display_df
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from steep.args import FitArgs, TuneArgs
from steep.args.table import ColumnArgs
from steep.data import batches
from steep.data.batches import by_length, shuffled
from steep.data.corpus import Data, corpus_of
from steep.data.inputs import Rows, Sliding
from steep.data.readers import listed
from steep.errors import SteepError
from steep.models.devices import sent
from steep.wording import quoted, some

SHOWN = 150  # words of a text in a table


class Inputs(TensorText):
    """Ids, mask and segments of a batch, which fastai shows as texts."""


@core.show_results.dispatch
def as_table(x: Inputs, y: Any, samples: Any, outs: Any, ctxs: Any = None, max_n: int = 10) -> list:
    """fastai's `show_results` for `Inputs`: texts, labels and predictions as a table.

    Its own form for texts, which is known once `fastai.text.learner` is imported, fails (2.8.12).
    """
    both = zip(samples, outs, range(max_n), strict=False)
    lines = [
        {"text": text.truncate(SHOWN), "label": _words(label), "predicted": _words(said)}
        for (text, label, *_), (said, *_), _ in both
    ]
    display_df(pd.DataFrame(lines))
    return lines


def _words(label: TitledStr | Category | MultiCategory) -> str:
    return "; ".join(label) if isinstance(label, MultiCategory) else str(label)


class ShownRows(Rows):
    """Rows that fastai can batch, and show as text and label.

    With `counts`, the weights of the rows (n,) or of their labels (n, labels), a sample and a
    batch have these as a third part.
    """

    n_inp = 1
    counts: np.ndarray | None = None

    def __getitem__(self, index: int) -> tuple:
        sample = super().__getitem__(index)
        return sample if self.counts is None else (*sample, self.counts[index])

    @property
    def items(self) -> datasets.Dataset:
        """The rows as their file has them: where fastai looks for what a loader was made of."""
        return self.corpus.table

    @property
    def vocab(self) -> CategoryMap:
        """The names of the labels, where fastai looks for them."""
        return CategoryMap(list(self.task.labels), sort=False)

    def batch(self, samples: list[tuple]) -> tuple:
        """int64 (rows, 2 or 3, padded length) of ids, mask and segments; labels; any weights.

        Of a corpus without labels, the inputs alone.
        """
        inputs, labels = self.collate([sample[:2] for sample in samples])
        if self.labels is None:
            return (Inputs(torch.from_numpy(inputs)),)
        whole = Inputs(torch.from_numpy(inputs)), torch.from_numpy(labels)
        if self.counts is None:
            return whole
        return *whole, torch.from_numpy(np.stack([counts for _, _, counts in samples]))

    def decode(self, sample: tuple[Tensor, ...], full: bool = True) -> tuple:
        """A sample as text and label that fastai can show."""
        inputs, label = sample[:2]
        ids = inputs[..., 0, :][inputs[..., 1, :] == 1].tolist()
        return TitledStr(self.tokenizer.decode(ids, skip_special_tokens=True)), self._name(label)

    def _name(self, label: Tensor) -> TitledStr | Category | MultiCategory:
        if self.task.kind == "single":
            return Category(self.task.labels[int(label.argmax() if label.ndim else label)])
        if self.task.kind == "multi":
            on = zip(self.task.labels, label >= 0.5, strict=True)
            return MultiCategory([name for name, has in on if has])
        return TitledStr(", ".join(f"{value:.4g}" for value in label.flatten().tolist()))


class RowOrder:
    """The order of the training rows: that of the current epoch, from batch `start` on."""

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed = lengths, batch_size, seed
        self.epoch, self.start = 0, 0

    def __call__(self) -> list[int]:
        order = shuffled(self.lengths, self.batch_size, self.seed, self.epoch)
        return order[self.start * self.batch_size :].tolist()


class TextLoaders(DataLoaders):
    """Training and validation batches, and batches of texts that are neither.

    fastai's own `test_dl`, which `predict` and `Interpretation` call, expects its `Datasets`.
    `origin` is what `steep.learner` made them of: the data, the rows used of it, and the options.
    """

    origin: tuple[Data, Data, FitArgs] | None = None

    def new_empty(self) -> "TextLoaders":
        """What `Learner.export` asks for. Raises SteepError: it would pickle code and model."""
        raise SteepError(
            "Learner.export pickles the Learner, its code included, and Steep pickles nothing: "
            "steep.save(learn, folder) keeps the model, and steep.predict(folder, texts) uses it."
        )

    def test_dl(
        self,
        test_items: Sequence[Any],
        rm_type_tfms: int | None = None,
        with_labels: bool = False,
        bs: int | None = None,
        num_workers: int = 0,
        process: bool = True,
    ) -> TfmdDL:
        """Batches of `test_items`, in their order, tokenised and cut like the training rows.

        Items are texts, pairs of texts where the training has such, or rows of a corpus's table;
        only these have labels. Of a DataFrame or a `datasets.Dataset`, the columns of texts are
        taken that the training read. `rm_type_tfms`, `num_workers` and `process` are fastai's, and
        mean nothing here. Raises SteepError for items of another kind.
        """
        like: ShownRows = self.valid_ds  # not the training rows, which may have weights
        label = like.corpus.table.features["label"] if with_labels else None
        rows = like.over(corpus_of(self._items(test_items), like.corpus.has_pairs, label))
        order = list(range(len(rows)))
        loader = _loader(rows, bs or self.valid.bs, lambda: order, self.device)
        loader.to(self.device)
        return loader

    def _items(self, given: Any) -> list[Any]:
        """The items of a list; of a table, its texts. SteepError where it lacks their column."""
        if not isinstance(given, pd.DataFrame | datasets.Dataset):
            return listed(given)
        own = given.columns if isinstance(given, pd.DataFrame) else given.column_names
        if isinstance(given, datasets.Dataset) and {"row", "text"} <= set(own):
            return list(given)  # rows of a corpus's table
        columns = self.origin[0].table.columns if self.origin else ColumnArgs()
        pair = columns.pair or "pair" if self.valid_ds.corpus.has_pairs else None
        names = [columns.text or "text", *([pair] if pair else [])]
        for name in names:
            if name not in own:
                kind = type(given).__name__
                raise SteepError(
                    f"{kind}: there is no column {quoted(name)}, which the training read. The "
                    f"columns are {some(list(map(str, own)))}. Rename one, or give a list of texts."
                )
        return listed(pd.DataFrame({name: list(given[name]) for name in names}))


def ordered(rows: ShownRows, batch_size: int, device: torch.device) -> TfmdDL:
    """Batches from the longest text to the shortest; fastai puts predictions back into order."""
    order = by_length(rows.lengths).tolist()
    return _loader(rows, batch_size, lambda: order, device)


def loaders(
    data: Data, tokenizer: PreTrainedTokenizerBase, tune: TuneArgs, seed: int, device: torch.device
) -> TextLoaders:
    """Training and validation batches; of long texts, fewer are validated on at once."""
    long, batch_size = tune.long_texts, tune.batch.size
    how = (tune.length.max_length, long.truncation, Sliding(long.max_windows))
    train, valid = (
        ShownRows(corpus, data.labelled(), tokenizer, *how) for corpus in (data.train, data.valid)
    )
    train.check_known()
    train.counts = batches.weights_of_rows(data.train, data.labelled(), tune.loss)
    order = RowOrder(train.lengths, batch_size, seed)
    size = max(1, 2 * batch_size // valid.most)
    both = _loader(train, batch_size, order, device), ordered(valid, size, device)
    return TextLoaders(*both, device=device)


def _loader(
    rows: ShownRows, batch_size: int, order: Callable[[], list[int]], device: torch.device
) -> TfmdDL:
    # `TfmdDL.new`, which `get_preds` calls, loses a `create_batch` that is a bound method.
    batch = partial(_sent, rows, device)
    return TfmdDL(rows, bs=batch_size, num_workers=0, create_batch=batch, get_idxs=order)


def _sent(rows: ShownRows, device: torch.device, samples: list[tuple]) -> tuple:
    return sent(rows.batch(samples), device)
