"""What did the model learn? Its guesses at held-out masked tokens, before and after step 2."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from fastai.callback.core import Callback

from steep.errors import SteepError
from steep.objectives.masking import vocabulary, word_starts
from steep.train.callbacks import At
from steep.train.pile import IGNORED, Batch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MOST = 20_000  # masked tokens that are looked at: what was guessed before stands in every save
TOP = 3  # guesses of an example
AROUND = 15  # tokens of an example on either side of its masked one
SHOWN, EXAMPLES, WORSE = 12, 6, 2  # words that got better, and worse; examples of either
LEAST, ENOUGH = (20, 10, 5, 3), 30  # a word counts if it was masked so often; words that suffice
ENGLISH = 0.2  # share of stop words from which a corpus is English: others have half of it

Guess = dict[str, list[Any]]


class Guesses(Callback):
    """Keeps what is guessed at the first `MOST` masked tokens of a validation.

    `found` has, for each token in the order of the held-out batches, the log probability of the
    truth, and the `TOP` guesses with their probabilities.
    """

    run_train, order = False, At.GUESSES

    def __init__(self) -> None:
        self.found: Guess = {"chance": [], "top": [], "top_chance": []}

    def after_pred(self) -> None:
        left = MOST - len(self.found["chance"])
        if left <= 0:
            return
        labels, *further = self.yb
        logits = self.pred[0] if further else self.pred
        known = torch.nonzero(labels != IGNORED).flatten()[:left]
        shares = logits[known].float().log_softmax(-1)
        top = shares.topk(TOP)
        chance = shares.gather(1, labels[known][:, None])[:, 0]
        self.found["chance"] += [round(value, 4) for value in chance.tolist()]
        self.found["top"] += top.indices.tolist()
        self.found["top_chance"] += [
            [round(value, 4) for value in row] for row in top.values.exp().tolist()
        ]


def compare_guesses(
    batches: list[Batch], tokenizer: "PreTrainedTokenizerBase", before: Guess, after: Guess
) -> dict[str, Any]:
    """Words that are guessed better after step 2 than before, words guessed worse, and examples.

    `batches` are those of the held-out text. Words are ranked by the mean change of their log
    probability; `least` is how often one must have been masked to count, the most that leaves
    `ENOUGH` of them. Words without content do not count: `left_out` is how many there were. Nor do
    tokens that are parts of words, `parts` of the masked ones.
    """
    truth = np.concatenate([labels[labels != IGNORED].numpy() for _, _, labels, *_ in batches])
    chances = np.array([before["chance"], after["chance"]])
    truth = truth[: chances.shape[1]]
    ids, times = np.unique(truth, return_counts=True)
    content = has_content([str(tokenizer.decode([int(i)])).strip() for i in ids], times)
    whole = are_words(batches, tokenizer)[: len(truth)]
    kept = np.isin(truth, ids[content]) & whole
    least, words = _words(truth[kept], chances[:, kept], tokenizer)
    return {
        "tokens": len(truth),
        "least": least,
        "words": len(words),
        "left_out": int((~content).sum()),
        "parts": int((~whole).sum()),
        "better": [word for word in words[:SHOWN] if word["after"] > word["before"]],
        "worse": [word for word in words[: -SHOWN - 1 : -1] if word["after"] < word["before"]],
        "examples": _examples(batches, truth, kept, tokenizer, before, after),
    }


def are_words(batches: list[Batch], tokenizer: "PreTrainedTokenizerBase") -> np.ndarray:
    """Which masked tokens are whole words, bool (tokens,); all, where none is marked as a part.

    In a language that a vocabulary was not made for, most are parts: "wu" and "##rden".
    """
    try:
        words = vocabulary(tokenizer, "word")
    except SteepError:
        return np.ones(sum(int((labels != IGNORED).sum()) for _, _, labels, *_ in batches), bool)
    assert words.edges is not None
    found = []
    for inputs, places, labels, *_ in batches:
        known = labels != IGNORED
        ids = inputs[:, 0].flatten().clone()
        ids[places[known]] = labels[known].to(ids.dtype)
        starts = np.append(word_starts(ids.numpy(), words.edges, words.special), True)
        at = places[known].numpy()
        found.append(starts[at] & starts[at + 1])
    return np.concatenate(found)


def has_content(names: list[str], times: np.ndarray) -> np.ndarray:
    """Which tokens say something, bool (tokens,): no punctuation, single letters or stop words.

    `times` is how often each occurs. Stop words are scikit-learn's, left out where the corpus is
    English. A letter that is not Latin, as in Chinese, may be a word.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    letters = ["".join(filter(str.isalpha, name)).lower() for name in names]
    single = np.array([len(one) == 1 and one < "\u0250" for one in letters], bool)
    stop = np.array([one in ENGLISH_STOP_WORDS for one in letters], bool)
    words = np.array([bool(one) for one in letters], bool)
    english = times[stop].sum() >= ENGLISH * times[words].sum()
    return words & ~single & ~(stop & english)


def _words(
    truth: np.ndarray, chances: np.ndarray, tokenizer: "PreTrainedTokenizerBase"
) -> tuple[int, list[dict[str, Any]]]:
    """The words that were masked often enough, the greatest gain first; and how often that is."""
    ids, which, times = np.unique(truth, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(which, weights=row) / times for row in chances])
    names = [str(tokenizer.decode([int(i)])).strip() for i in ids]
    least = next((n for n in LEAST if (times >= n).sum() >= ENOUGH), LEAST[-1])
    rows = np.flatnonzero(times >= least)
    order = rows[np.argsort(means[0, rows] - means[1, rows], kind="stable")]
    return least, [
        {
            "word": names[i],
            "times": int(times[i]),
            "before": round(float(means[0, i]), 4),
            "after": round(float(means[1, i]), 4),
        }
        for i in order
    ]


def _examples(
    batches: list[Batch],
    truth: np.ndarray,
    kept: np.ndarray,
    tokenizer: "PreTrainedTokenizerBase",
    before: Guess,
    after: Guess,
) -> list[dict[str, Any]]:
    """Hidden tokens, `kept` ones, each another word, whose probability rose most; or fell most."""
    shown = [_context(inputs, places[labels != IGNORED]) for inputs, places, labels, *_ in batches]
    contexts = [context for some in shown for context in some][: len(truth)]
    hidden = np.array([ids[at] == tokenizer.mask_token_id for ids, at in contexts], bool) & kept
    change = np.exp(after["chance"]) - np.exp(before["chance"])
    order = np.argsort(-change, kind="stable")
    order = order[hidden[order]]

    def example(i: int) -> dict[str, Any]:
        ids, at = contexts[i]
        sides = (ids[max(0, at - AROUND) : at], ids[at + 1 : at + 1 + AROUND])
        left, right = (tokenizer.decode(side) for side in sides)
        return {
            "text": f"{left} ____ {right}".strip(),
            "truth": str(tokenizer.decode([int(truth[i])])).strip(),
            "before": _guesses(before, i, tokenizer),
            "after": _guesses(after, i, tokenizer),
        }

    rose = _first_of_each(order[change[order] > 0], truth)[:EXAMPLES]
    fell = _first_of_each(order[::-1][change[order[::-1]] < 0], truth)[:WORSE]
    return [example(i) for i in [*rose, *fell]]


def _context(inputs: torch.Tensor, places: torch.Tensor) -> list[tuple[list[int], int]]:
    """The row of every masked place as the model sees it, padding left out, and the place in it."""
    rows = [row[mask.bool()].tolist() for row, mask in zip(inputs[:, 0], inputs[:, 1], strict=True)]
    length = inputs.shape[-1]
    return [(rows[place // length], place % length) for place in places.tolist()]


def _first_of_each(order: np.ndarray, truth: np.ndarray) -> list[int]:
    """Of the places in `order`, the first of every token."""
    first: dict[int, int] = {}
    for i in order:
        first.setdefault(int(truth[i]), int(i))
    return list(first.values())


def _guesses(guess: Guess, i: int, tokenizer: "PreTrainedTokenizerBase") -> list[tuple[str, float]]:
    names = [str(tokenizer.decode([token])).strip() for token in guess["top"][i]]
    return list(zip(names, guess["top_chance"][i], strict=True))
