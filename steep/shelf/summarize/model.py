"""What is a summariser? An encoder, a linear layer on its sentences, and what was settled.

Its folder is a checkpoint of the encoder, with what `steep.shelf.summarize.folder` names beside it.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy.special import expit
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from steep import runs
from steep.data.batches import by_length
from steep.data.inputs import frame
from steep.data.tokens import Tokens, encoder_of
from steep.errors import SteepError
from steep.models import kernels
from steep.models.checkpoints import (
    check_length,
    drawn_model,
    encoder_files,
    keep_notes,
    load_tokenizer,
)
from steep.models.devices import Machine
from steep.models.families import check_tokenizer, knows_segments, longest
from steep.models.fit_defaults import reads_by_mean
from steep.models.heads import autocasting, channels_of, keywords
from steep.models.hub import carry
from steep.models.loading import unused_notes
from steep.shelf.summarize import ReadingArgs
from steep.shelf.summarize.choose import Rule
from steep.shelf.summarize.documents import as_json, from_json
from steep.shelf.summarize.facts import FACTS
from steep.shelf.summarize.folder import HEAD, LAYOUT, SUMMARISER, read_settings
from steep.shelf.summarize.rouge import WordsOf
from steep.shelf.summarize.windows import Layout, Windows

DROPOUT, USUAL = 0.1, 512


class SentenceScorer(nn.Module):
    """Inputs int64 (rows, 2 or 3, length), whose token each is int64 (rows, length) -> logits (m,).

    The vector of a sentence is the mean of the tokens that stand for it: one, or all of its own.
    The head reads it, and beside it the facts of the sentence, float32 (m, FACTS).
    """

    def __init__(self, encoder: PreTrainedModel, autocast: torch.dtype | None, first: bool) -> None:
        super().__init__()
        self.model, self.autocast, self.first = encoder, autocast, first
        self.channels = channels_of(encoder)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(encoder.config.hidden_size + FACTS, 1)
        nn.init.zeros_(self.head.weight)  # it begins as `head.begin_head` says
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Tensor, whose: Tensor, facts: Tensor) -> Tensor:
        return self.head(self.read(batch, whose, facts))[:, 0]

    def read(self, batch: Tensor, whose: Tensor, facts: Tensor) -> Tensor:
        """What the head reads of each sentence: float32 (m, hidden + FACTS)."""
        owner = whose.flatten()
        places = (owner >= 0).nonzero()[:, 0]
        # Of the last layer, nothing but the places of first tokens is read.
        less = kernels.reading(self.model, whose.shape, places) if self.first else nullcontext()
        with autocasting(batch, self.autocast), less:
            hidden = self.model(**keywords(batch, self.channels)).last_hidden_state
        read, owner = hidden.flatten(0, 1)[places].float(), owner[places]
        counts = torch.bincount(owner)
        total = read.new_zeros(len(counts), read.shape[1]).index_add(0, owner, read)
        return torch.cat([self.dropout(total / counts[:, None]), facts], dim=1)


@dataclass(frozen=True)
class Reader:
    """An encoder with its tokenizer, and how sentences lie before it."""

    scorer: SentenceScorer
    tokenizer: PreTrainedTokenizerBase
    layout: Layout
    machine: Machine

    def windows(self, documents: Sequence[Sequence[str]]) -> Windows:
        """Documents, each a list of sentences, as windows of tokens."""
        texts = [sentence for document in documents for sentence in document]
        none = np.zeros(0, np.int32), np.zeros(0, np.int64)
        ids, counts = encoder_of(self.tokenizer)(texts) if texts else none
        ends = np.concatenate([[0], np.cumsum([len(document) for document in documents])])
        offsets = np.concatenate([[0], np.cumsum(counts)])
        unknown = int((ids == self.tokenizer.unk_token_id).sum())
        return Windows(Tokens(ids, offsets, unknown), ends.astype(np.int64), self.layout)

    def scores(self, documents: Sequence[Sequence[str]], batch_size: int) -> list[np.ndarray]:
        """The probability that each sentence belongs in the summary, float64 (sentences,) each."""
        windows = self.windows(documents)
        logits = self.run(windows, batch_size, lambda *given: self.scorer(*given)[:, None])
        return np.split(expit(logits[:, 0].astype(np.float64)), windows.documents[1:-1])

    def run(self, windows: Windows, batch_size: int, what: Callable[..., Tensor]) -> np.ndarray:
        """What a part of the scorer finds for each sentence: float32 (sentences, size)."""
        order, device = by_length(windows.lengths), self.machine.device
        found: np.ndarray | None = None
        self.scorer.eval().to(device)
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                members = order[start : start + batch_size]
                given = (torch.from_numpy(part).to(device) for part in windows.laid(members))
                some = what(*given).float().cpu().numpy()
                if found is None:
                    found = np.zeros((len(windows.tokens), some.shape[1]), np.float32)
                windows.put(found, members, some)
        return np.zeros((0, 1), np.float32) if found is None else found


@dataclass(frozen=True)
class Summariser:
    """A trained reader, and what was settled when it was trained."""

    reader: Reader
    splitter: PunktSentenceTokenizer
    rule: Rule
    words: WordsOf


def start_reader(name: str, args: ReadingArgs, machine: Machine, seed: int) -> Reader:
    """A reader to be trained, its head not begun; SteepError where that cannot be."""
    tokenizer = load_tokenizer(name)
    config, files = encoder_files(name)
    loaded = drawn_model(seed, AutoModel, files, config, machine.attention)
    encoder = _without_pooler(loaded.model)
    check_tokenizer(tokenizer, encoder)
    mean = args.sentence_vectors == "mean"
    mean = reads_by_mean(name) if args.sentence_vectors == "auto" else mean
    segments = "token_type_ids" in channels_of(encoder) and knows_segments(encoder)
    most = args.max_length or min(USUAL, longest(encoder, USUAL))
    check_length(most, encoder)
    layout = Layout(frame(tokenizer), not mean, segments, most, args.overlap)
    if layout.first and not layout.frame.before:
        raise SteepError(
            f"{name}: its tokenizer puts no token before a text. Use --sentence-vectors mean."
        )
    scorer = SentenceScorer(encoder, machine.autocast, layout.first)
    keep_notes(encoder, unused_notes(files, loaded))
    return Reader(scorer, tokenizer, layout, machine)


def _without_pooler(encoder: Any) -> PreTrainedModel:
    """The encoder without what nothing reads, which would get no gradient."""
    if "pooler" in dict(encoder.named_children()):
        encoder.register_module("pooler", None)
    return encoder


def save_summariser(
    folder: Path, made: Summariser, punkt: PunktParameters, columns: dict[str, str]
) -> None:
    """Write the summariser into `folder`.

    `punkt` is what its splitter learnt, `columns` the names of those that it was trained on.
    """
    reader, encoder = made.reader, made.reader.scorer.model
    encoder.save_pretrained(folder)
    reader.tokenizer.save_pretrained(folder)
    carry(Path(str(encoder.name_or_path)), folder)
    head = {n: w.detach().cpu().contiguous() for n, w in reader.scorer.head.state_dict().items()}
    save_file(head, folder / HEAD)
    settled = {
        **{name: vars(reader.layout)[name] for name in LAYOUT},
        "rule": made.rule.described(),
        "rouge_words": made.words,
        "columns": columns,
        "punkt": as_json(punkt),
    }
    runs.write_json(folder / SUMMARISER, settled)


def load_summariser(folder: Path, machine: Machine) -> Summariser:
    """What `save_summariser` wrote; SteepError where the folder is another, or damaged."""
    known = read_settings(folder)
    config, files = encoder_files(folder)
    encoder = _without_pooler(drawn_model(0, AutoModel, files, config, machine.attention).model)
    tokenizer = load_tokenizer(folder)
    check_tokenizer(tokenizer, encoder)
    layout = Layout(frame(tokenizer), *(known[name] for name in LAYOUT))
    scorer = SentenceScorer(machine.prepare(encoder, 0), machine.autocast, layout.first)
    try:
        scorer.head.load_state_dict(load_file(folder / HEAD))
    except (OSError, SafetensorError, RuntimeError):
        raise SteepError(
            f"{folder / HEAD}: not the head of this summariser. {runs.WRITE_AGAIN}"
        ) from None
    rule = Rule(known["rule"]["kind"], known["rule"]["value"], known["rule"]["block_trigrams"])
    reader = Reader(scorer, tokenizer, layout, machine)
    return Summariser(reader, from_json(known["punkt"]), rule, known["rouge_words"])
