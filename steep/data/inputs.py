"""How do tokens become a model's input? Framed, cut to its length: ids, mask and segments."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steep.data.batches import pad, padded_length
from steep.data.corpus import Corpus, Task
from steep.data.tokens import Tokens, check_known, notes_of_unknown, tokenize
from steep.errors import SteepError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Sample = tuple[np.ndarray, np.ndarray | int | float]
SLIDING = "sliding-"


@dataclass(frozen=True)
class Sliding:
    """At most `most` windows of a text, at even distances from its head to its tail.

    They overlap only as the text's length makes them; of a text that is longer than all of them
    together, what lies between two windows is lost.
    """

    most: int = 8

    def counts(self, lengths: np.ndarray, room: int) -> np.ndarray:
        """How many windows of `room` tokens texts of these lengths (n,) have, int64 (n,)."""
        beyond = np.maximum(lengths - room, 0)
        return np.minimum(1 - (-beyond // room), self.most).astype(np.int64)

    def starts(self, length: int, room: int) -> np.ndarray:
        """Where the windows of one text begin, int64 (windows,)."""
        count = int(self.counts(np.array([length]), room)[0])
        return np.linspace(0, max(length - room, 0), count).round().astype(np.int64)

    def lost(self, lengths: np.ndarray, room: int) -> np.ndarray:
        """How many tokens of each text no window holds, int64 (n,)."""
        return np.maximum(lengths - room * self.counts(lengths, room), 0)


class Rows:
    """A corpus as samples: row `i` -> int64 (2 or 3, tokens) of ids, mask, segments; its label.

    Where windows slide, int64 (windows, 2 or 3, tokens).
    """

    def __init__(
        self,
        corpus: Corpus,
        task: Task,
        tokenizer: "PreTrainedTokenizerBase",
        max_length: int,
        truncation: str = "head",
        sliding: Sliding | None = None,
    ) -> None:
        check_sliding(truncation, corpus)
        self.corpus = corpus
        self.sliding = (sliding or Sliding()) if truncation.startswith(SLIDING) else None
        self.task, self.tokenizer = task, tokenizer
        self.max_length, self.truncation = max_length, truncation
        self.frame = frame(tokenizer)
        self.tokens = tokenize(corpus, tokenizer)
        self.pairs = tokenize(corpus, tokenizer, "pair") if corpus.has_pairs else None
        self.segments = self.pairs is not None and "token_type_ids" in tokenizer.model_input_names
        self.room = self.frame.room(max_length, corpus.has_pairs)
        self.labels = corpus.targets() if "label" in corpus.table.column_names else None
        whole = self.whole_lengths
        self.lengths = np.minimum(whole, self.room) + max_length - self.room
        self.most = 1
        if self.sliding and len(self):
            counts = self.sliding.counts(whole, self.room)
            self.lengths, self.most = self.lengths * counts, int(counts.max())

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> Sample:
        label = 0 if self.labels is None else self.labels[index]
        return self._framed(index), label

    def over(self, corpus: Corpus) -> Self:
        """Another corpus, read in the same way."""
        how = (self.max_length, self.truncation, self.sliding)
        return type(self)(corpus, self.task, self.tokenizer, *how)

    @property
    def columns(self) -> list[Tokens]:
        """The tokens of the texts, and those of the second ones."""
        return [self.tokens] if self.pairs is None else [self.tokens, self.pairs]

    @property
    def whole_lengths(self) -> np.ndarray:
        """Tokens of each row, of both texts of a pair, before anything is cut off: int64 (n,)."""
        return self.tokens.lengths + (self.pairs.lengths if self.pairs else 0)

    def spread(self) -> dict[str, Any] | None:
        """{"cut", "percentiles"}: where rows are cut, and how long they are (0 %, 5 % ... 100 %).

        Special tokens count, as they do in `max_length`. None where windows cover the rows.
        """
        if self.sliding or not len(self):
            return None
        whole = self.whole_lengths + self.max_length - self.room
        steps = np.percentile(whole, np.arange(0, 101, 5), method="nearest")
        return {"cut": self.max_length, "percentiles": steps.astype(int).tolist()}

    def check_known(self) -> None:
        """Raises SteepError if nothing could be learnt from the rows: all tokens are unknown."""
        check_known(self.tokenizer, self.columns)

    def notes(self, part: str) -> list[str]:
        """How much text of the rows, which are the `part` ones, the model does not get to see."""
        said = notes_of_unknown(part, self.columns)
        lengths = self.whole_lengths
        over = lengths > self.room
        if not over.any():
            return said
        long = f"{over.sum():,} of {len(lengths):,} {part} texts are longer than {self.max_length}"
        if self.sliding is None:
            lost = (lengths[over] - self.room).sum() / lengths.sum()
            kept = f"{lost:.1%} of all tokens are cut off ({self.truncation} is kept)"
            return [*said, f"{long} tokens; {kept}"]
        counts = self.sliding.counts(lengths, self.room)[over]
        lost = self.sliding.lost(lengths, self.room)
        read = f"read in {counts.mean():.1f} windows each, {counts.max()} at most"
        gaps = f"; of {(lost > 0).sum():,} some is left out, {lost.sum() / lengths.sum():.1%}"
        return [*said, f"{long} tokens; {read}{gaps + ' of all tokens' if lost.any() else ''}"]

    def _framed(self, index: int) -> np.ndarray:
        second = self.pairs[index] if self.pairs else None
        if second is not None:
            return self._pair(index, second)
        whole = self.tokens[index]
        if self.sliding is None:
            return self._one(truncate(whole, self.room, self.truncation))
        starts = self.sliding.starts(len(whole), self.room)
        return np.stack([self._one(whole[start : start + self.room]) for start in starts])

    def _one(self, tokens: np.ndarray) -> np.ndarray:
        ids = np.concatenate([self.frame.before, tokens, self.frame.after])
        return np.stack([ids, np.ones_like(ids)]).astype(np.int64)

    def kept(self, index: int) -> list[np.ndarray]:
        """Which tokens of the text, and of the second, the input holds: int64 (tokens,) each.

        Not for windows that slide.
        """
        first = np.arange(len(self.tokens[index]))
        if self.pairs is None:
            return [truncate(first, self.room, self.truncation)]
        return list(self._cut(first, np.arange(len(self.pairs[index]))))

    def _cut(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Of a pair, the longer text is cut first and keeps an odd token, as with tokenizers
        # ("longest_first").
        half = (self.room + (len(first) > len(second))) // 2
        keep = max(half, self.room - len(second))
        first = truncate(first, keep, self.truncation)
        return first, truncate(second, self.room - len(first), self.truncation)

    def _pair(self, index: int, second: np.ndarray) -> np.ndarray:
        around = self.frame
        first, second = self._cut(self.tokens[index], second)
        ids = np.concatenate([around.before, first, around.between, second, around.after])
        channels = [ids, np.ones_like(ids)]
        if self.segments:
            start = len(around.before) + len(first) + len(around.between)
            channels.append(np.where(np.arange(len(ids)) < start, *around.types))
        return np.stack(channels).astype(np.int64)

    def collate(self, samples: list[Sample]) -> tuple[np.ndarray, np.ndarray]:
        """Samples as one batch: int64 (rows, 2 or 3, padded length), and labels (rows, ...).

        Where windows slide, (rows, most windows, 2 or 3, padded length), padded with mask 0.
        """
        if self.sliding:
            return self._windows([inputs for inputs, _ in samples]), _labels(samples)
        longest = max(inputs.shape[1] for inputs, _ in samples)
        length = min(padded_length(longest), self.max_length)  # the model may have no more places
        fills = (self.frame.pad, 0, 0)
        channels = [
            pad([inputs[k] for inputs, _ in samples], fills[k], length)
            for k in range(len(samples[0][0]))
        ]
        return np.stack(channels, axis=1), _labels(samples)

    def _windows(self, rows: list[np.ndarray]) -> np.ndarray:
        most = max(len(windows) for windows in rows)
        length = min(padded_length(max(windows.shape[2] for windows in rows)), self.max_length)
        batch = np.zeros((len(rows), most, rows[0].shape[1], length), np.int64)
        batch[:, :, 0] = self.frame.pad
        for place, windows in zip(batch, rows, strict=True):
            place[: len(windows), :, : windows.shape[2]] = windows
        return batch


def _labels(samples: list[Sample]) -> np.ndarray:
    return np.stack([label for _, label in samples])


def check_sliding(truncation: str, corpus: Corpus) -> None:
    """Raises SteepError if windows cannot slide over this corpus."""
    if truncation.startswith(SLIDING) and corpus.has_pairs:
        raise SteepError(
            f"truncation {truncation}: windows slide over single texts, not over pairs. Choose "
            "head, tail or head+tail."
        )


@dataclass(frozen=True)
class Frame:
    """The special tokens that a tokenizer puts around a text, or around a pair of texts.

    BERT: `before` [CLS], `between` [SEP], `after` [SEP]; `types` are the segment numbers of the
    first text's part and of the second's.
    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    types: tuple[int, int]
    pad: int

    def room(self, max_length: int, pair: bool = False) -> int:
        """Tokens of text that fit into an input of `max_length` tokens."""
        special = len(self.before) + len(self.after) + (len(self.between) if pair else 0)
        return max_length - special


def frame(tokenizer: "PreTrainedTokenizerBase") -> Frame:
    """The frame of a tokenizer, as it shows on one letter and on two.

    Raises SteepError for a tokenizer without padding, or that adds tokens in another shape.
    """
    if tokenizer.pad_token_id is None:
        raise SteepError(f"{tokenizer.name_or_path}: its tokenizer has no padding token.")
    a, b = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("a", "b"))
    one = tokenizer("a", return_token_type_ids=True)
    two = tokenizer("a", "b", return_token_type_ids=True)
    start = _find(one["input_ids"], a)
    second = _find(two["input_ids"], b, start + len(a))
    if start < 0 or second < 0:
        raise SteepError(f"{tokenizer.name_or_path}: its tokenizer frames texts in an unknown way.")
    return Frame(
        before=tuple(one["input_ids"][:start]),
        between=tuple(two["input_ids"][start + len(a) : second]),
        after=tuple(one["input_ids"][start + len(a) :]),
        types=(two["token_type_ids"][start], two["token_type_ids"][second]),
        pad=tokenizer.pad_token_id,
    )


def _find(ids: list[int], part: list[int], start: int = 0) -> int:
    """Where `part` begins in `ids` from `start` on, or -1."""
    ends = range(start, len(ids) - len(part) + 1)
    return next((i for i in ends if ids[i : i + len(part)] == part), -1)


def truncate(ids: np.ndarray, room: int, truncation: str) -> np.ndarray:
    """At most `room` of the tokens: the head, the tail, or head and tail.

    Head and tail: a quarter from the head, as 128 + 382 of 510 in Sun et al. 2019, section 5.3.1.
    """
    if len(ids) <= room:
        return ids
    if truncation == "head":
        return ids[:room]
    if truncation == "tail":
        return ids[-room:]
    head = room // 4
    return np.concatenate([ids[:head], ids[len(ids) - (room - head) :]])
