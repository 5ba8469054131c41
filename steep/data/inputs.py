"""How does a labelled text become a classifier's input? Ids, mask and segments of each row."""

from typing import TYPE_CHECKING

import numpy as np

from steep.data.batches import pad, padded_length
from steep.data.corpus import Corpus, Task
from steep.data.tokens import frame, tokenize, truncate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Sample = tuple[np.ndarray, np.ndarray | int | float]


class Rows:
    """A corpus as samples: row `i` -> int64 (2 or 3, tokens) of ids, mask, segments; its label."""

    def __init__(
        self,
        corpus: Corpus,
        task: Task,
        tokenizer: "PreTrainedTokenizerBase",
        max_length: int,
        truncation: str = "head",
    ) -> None:
        self.task, self.tokenizer = task, tokenizer
        self.max_length, self.truncation = max_length, truncation
        self.frame = frame(tokenizer)
        self.tokens = tokenize(corpus, tokenizer)
        self.pairs = tokenize(corpus, tokenizer, "pair") if corpus.has_pairs else None
        self.segments = self.pairs is not None and "token_type_ids" in tokenizer.model_input_names
        self.room = self.frame.room(max_length, corpus.has_pairs)
        self.labels = corpus.labels() if "label" in corpus.table.column_names else None
        whole = self.tokens.lengths + (self.pairs.lengths if self.pairs else 0)
        self.lengths = np.minimum(whole, self.room) + max_length - self.room

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> Sample:
        label = 0 if self.labels is None else self.labels[index]
        return self._framed(index), label

    def _framed(self, index: int) -> np.ndarray:
        around, second = self.frame, self.pairs[index] if self.pairs else None
        if second is None:
            first = truncate(self.tokens[index], self.room, self.truncation)
            ids = np.concatenate([around.before, first, around.after])
            return np.stack([ids, np.ones_like(ids)]).astype(np.int64)
        # Of a pair, the longer text is cut first and keeps an odd token, as with tokenizers
        # ("longest_first").
        first = self.tokens[index]
        half = (self.room + (len(first) > len(second))) // 2
        keep = max(half, self.room - len(second))
        first = truncate(first, keep, self.truncation)
        second = truncate(second, self.room - len(first), self.truncation)
        ids = np.concatenate([around.before, first, around.between, second, around.after])
        channels = [ids, np.ones_like(ids)]
        if self.segments:
            start = len(around.before) + len(first) + len(around.between)
            channels.append(np.where(np.arange(len(ids)) < start, *around.types))
        return np.stack(channels).astype(np.int64)

    def collate(self, samples: list[Sample]) -> tuple[np.ndarray, np.ndarray]:
        """Samples as one batch: int64 (rows, 2 or 3, padded length), and labels (rows, ...)."""
        length = padded_length(max(inputs.shape[1] for inputs, _ in samples))
        fills = (self.frame.pad, 0, 0)
        channels = [
            pad([inputs[k] for inputs, _ in samples], fills[k], length)
            for k in range(len(samples[0][0]))
        ]
        return np.stack(channels, axis=1), np.stack([label for _, label in samples])
