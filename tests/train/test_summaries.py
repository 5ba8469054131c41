"""Is a document's loss the mean of its sentences, however they lie in windows and batches?"""

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from steep.data.inputs import Frame
from steep.data.tokens import Tokens
from steep.shelf.summarize.windows import Layout, Windows
from steep.train.rows import RowOrder
from steep.train.summaries import Marked, loader, longest_first, sentence_loss

BERT = Frame(before=(1,), between=(2,), after=(2,), types=(0, 1), pad=0)


def marked(sizes: list[int], seed: int = 0) -> Marked:
    """Documents of so many sentences, of four tokens each."""
    count = sum(sizes)
    tokens = Tokens(np.arange(4 * count), np.arange(0, 4 * count + 1, 4))
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    windows = Windows(tokens, ends, Layout(BERT, True, True, 32, 0.25))
    return Marked(windows, np.random.default_rng(seed).random(count) < 0.3)


def test_the_loss_is_the_mean_over_documents_of_the_mean_over_sentences() -> None:
    own = marked([3, 14, 1])
    logits = torch.from_numpy(np.random.default_rng(1).normal(size=18)).float()
    every = np.arange(len(own))
    assert len(every) > 3, "the second document has several windows"
    *_, labels, weights = own.batch(every.tolist())
    numbers, _ = own.windows.sentences(every)
    found = sentence_loss(logits[numbers], labels, weights)
    truth = torch.from_numpy(own.labels).float()
    parts = zip([0, 3, 17], [3, 17, 18], strict=True)
    expected = torch.stack([bce(logits[a:b], truth[a:b]) for a, b in parts]).mean()
    assert torch.allclose(found, expected)


def test_every_window_comes_once_an_epoch_and_from_any_batch_on() -> None:
    own = marked([3, 14, 1, 9, 2])
    order = RowOrder(own.windows.lengths, 2, seed=3)
    batches = loader(own, 2, order)
    first = [batch[0] for batch in batches]
    assert sum(map(len, first)) == len(own)
    assert len(first) == len(batches)
    order.start = 2
    assert torch.equal(next(iter(batches))[0], first[2]), "as if it had not been killed"
    order.epoch, order.start = 1, 0
    again = [batch[0] for batch in batches]
    assert any(not torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_validation_scores_come_back_in_order() -> None:
    own = marked([3, 14, 1])
    order = longest_first(own)
    outputs = [own.windows.sentences(np.array(order[i : i + 2]))[0] + 0.5 for i in (0, 2, 4)]
    scores = np.zeros(18)
    own.windows.put(scores, np.array(order), np.concatenate([o for o in outputs if len(o)]))
    assert scores.tolist() == [i + 0.5 for i in range(18)]
