"""How is ULMFiT trained, as published? fastai's AWD-LSTM, first on the text, then on the labels.

Howard & Ruder 2018, "Universal Language Model Fine-tuning for Text Classification": a language
model of Wikipedia (WikiText-103) learns the text at hand (section 3.2), then its encoder under a
new head the labels, one group of layers after another (section 3.3). Rates and dropout are those
of fastai's own examples; fastai does the work.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastai.callback.schedule  # noqa: F401  (adds fit_one_cycle)
import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders, TfmdDL
from fastai.data.external import fastai_path
from fastai.learner import Learner
from fastai.text.core import SpacyTokenizer, TokenizeWithRules
from fastai.text.data import LMDataLoader, Numericalize, Pad_Chunk, SortedDL, TensorText, make_vocab
from fastai.text.learner import (
    clean_raw_keys,
    language_model_learner,
    load_ignore_keys,
    match_embeds,
    text_classifier_learner,
)
from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_clas_config, awd_lstm_lm_config
from fastai.torch_core import set_seed
from torch import Tensor

from steep.data import batches
from steep.data.corpus import Corpus
from steep.seeds import derive
from steep.shelf.awd_lstm.awd_arm import CACHED, ENCODER, Awd
from steep.study.arms import CellInput, CellOutput
from steep.train.callbacks import Bar, Scores
from steep.train.losses import loss_for
from steep.train.readings import Readings, StopIfDiverged, readings_of

SEQUENCE, BATCH = 72, 64  # words in a sequence (BPTT), and sequences in a batch
DROPOUT = {"language": 0.3, "classes": 0.5}  # times AWD-LSTM's own, as in fastai's examples
SLOWER = 2.6**4  # the head's learning rate over that of the lowest layers
RATES = {"head": 2e-2, "language": 2e-3}
UNFREEZE = ((-2, 1e-2), (-3, 5e-3), (0, 1e-3))  # lowest group of layers that trains, its rate
PADDING = 1


def cached_weights() -> Path:
    """Where fastai's cache has the pre-trained language model, if it was ever downloaded."""
    return Path(fastai_path("model")) / CACHED


class Words(Bar):
    """Progress in words a second."""

    def count_tokens(self) -> Tensor:
        """Words of the batch, int64 ()."""
        return (self.xb[0] != PADDING).sum().as_subclass(Tensor)


class Texts:
    """Texts as ids of words, as fastai batches them; with labels, and with example weights."""

    n_inp = 1

    def __init__(self, texts: Sequence[list[str]], words: list[str], *further: np.ndarray) -> None:
        number = Numericalize(words)
        self.vocab, self.ids = words, [TensorText(number(text)) for text in texts]
        self.further = [torch.from_numpy(np.ascontiguousarray(column)) for column in further]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return self.ids[index], *(column[index] for column in self.further)


def fastai_words(texts: Sequence[str]) -> list[list[str]]:
    """Texts as fastai splits them into words (spaCy's English, and fastai's own marks)."""
    return [list(found) for found in TokenizeWithRules(SpacyTokenizer("en"))(texts)]


def adapt_awd(
    train: Sequence[str], heldout: Sequence[str], start: Awd, passes: int, seed: int, device: Any
) -> tuple[Awd, dict[str, Any], list[dict[str, float]]]:
    """The language model `start` after `passes` over the texts `train`: its encoder.

    Also what the run found (the loss of the next word on `heldout`, before and after), and a
    line an epoch. First the word embeddings and the decoder learn, for one pass, then everything.
    """
    set_seed(derive(seed, "awd-lstm", "text") % 2**32)
    texts, aside = fastai_words(train), fastai_words(heldout)
    words = make_vocab(Counter(word for text in texts for word in text))
    learn = _language(texts, aside, words, start, device)
    with learn.no_bar(), learn.no_logging():
        before = float(learn.validate()[0])
        readings, history = readings_of(learn), []
        for count, rate in ((1, RATES["head"]), (passes, RATES["language"])):
            own = [Words(readings, "awd-lstm, text"), StopIfDiverged(readings)]
            history += _cycle(learn, count, rate, own)
            learn.unfreeze()
    loss = {"before": before, "after": history[-1]["valid_loss"]}
    found: dict[str, Any] = {"next_word_loss": loss}
    found |= {"words": sum(map(len, texts)), "vocabulary": len(words), "epochs": len(history)}
    history = [{"epoch": number} | line for number, line in enumerate(history, 1)]
    return Awd(learn.model[0].state_dict(), words), found, history


def _language(
    texts: list[list[str]], aside: list[list[str]], words: list[str], start: Awd, device: Any
) -> Learner:
    """A language model of `words` with the weights of `start`; new words start as the mean of all.

    The batch is smaller where there are few words.
    """
    loaders = []
    for part in (texts, aside):
        size = min(BATCH, max(1, sum(map(len, part)) // (2 * SEQUENCE)))
        sets = Texts(part, words)
        loaders.append(LMDataLoader(sets, bs=size, seq_len=SEQUENCE, shuffle=part is texts))
    learn = language_model_learner(
        DataLoaders(*loaders, device=device),
        AWD_LSTM,
        config=start.sizes(awd_lstm_lm_config, ENCODER),
        drop_mult=DROPOUT["language"],
        pretrained=False,
        cbs=[Readings()],
    )
    known = match_embeds(dict(start.weights), start.words, words)
    load_ignore_keys(learn.model, clean_raw_keys(known))
    learn.freeze()
    return learn


def fit_awd(cell: CellInput, start: Awd, device: Any) -> CellOutput:
    """What a classifier on the encoder `start` predicts, and a line of history an epoch.

    Its head learns alone for one pass over the training rows, then two passes with one group of
    layers more each, then all layers for as many epochs as other arms; the best epoch on
    validation is kept. A training that diverges predicts NaN.
    """
    set_seed(derive(cell.seed, "awd-lstm", "labels") % 2**32)
    data, tune, task = cell.data, cell.tune, cell.data.labelled()
    sets = [_rows(corpus, start.words) for corpus in (data.train, data.valid, cell.test)]
    if (counts := batches.weights_of_rows(data.train, task, tune.loss)) is not None:
        sets[0].further.append(torch.from_numpy(counts))
    loaders = [_loader(rows, tune.batch.size, rows is sets[0]) for rows in sets]
    learn = text_classifier_learner(
        DataLoaders(*loaders, device=device),
        AWD_LSTM,
        seq_len=SEQUENCE,
        config=start.sizes(awd_lstm_clas_config),
        pretrained=False,
        drop_mult=DROPOUT["classes"],
        n_out=len(task.labels),
        loss_func=loss_for(task, data.train.labels(), tune.loss),
        cbs=[Readings()],
    )
    learn.model[0].module.load_state_dict(start.weights)
    bar = Words(readings_of(learn), cell.description)
    scores = Scores(task, cell.metric, bar)
    history, diverged = _unfreezing(learn, tune.epochs.count, scores, bar)
    with learn.no_bar(), learn.no_logging():
        valid, tested = (learn.get_preds(dl=dl)[0].numpy() for dl in learn.dls.loaders[1:])
    return CellOutput(valid, np.full_like(tested, np.nan) if diverged else tested, history)


def _unfreezing(
    learn: Learner, epochs: int, scores: Scores, bar: Bar
) -> tuple[list[dict[str, Any]], bool]:
    """Train from the head downwards; a line an epoch, and whether the loss was not finite."""
    finite = StopIfDiverged(readings_of(learn))
    own: list[Callback] = [scores, bar, finite]
    learn.freeze()
    with learn.no_bar(), learn.no_logging():
        _cycle(learn, 1, RATES["head"], own)
        for groups, rate in UNFREEZE:
            learn.freeze_to(groups)
            if not finite.diverged:
                rates = slice(rate / SLOWER, rate)
                _cycle(learn, 1 if groups else epochs, rates, own)
    lines = [line | {"epoch": number} for number, line in enumerate(scores.history, 1)]
    return lines, finite.diverged


def _cycle(
    learn: Learner, epochs: int, rate: float | slice, callbacks: list[Callback]
) -> list[dict[str, float]]:
    learn.fit_one_cycle(epochs, rate, moms=(0.8, 0.7, 0.8), cbs=callbacks)
    names = ("train_loss", "valid_loss")
    return [dict(zip(names, map(float, line), strict=False)) for line in learn.recorder.values]


def _rows(corpus: Corpus, words: list[str]) -> Texts:
    return Texts(fastai_words(corpus.whole()), words, corpus.labels())


def _loader(rows: Texts, batch_size: int, shuffled: bool) -> TfmdDL:
    pad = Pad_Chunk(pad_idx=PADDING, seq_len=SEQUENCE)
    size = batch_size if shuffled else 2 * batch_size
    return SortedDL(rows, bs=size, shuffle=shuffled, before_batch=pad, num_workers=0)
