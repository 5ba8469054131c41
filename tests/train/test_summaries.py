"""Is a document's loss the mean of its sentences, however they lie in windows and batches?"""

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from steep.data.inputs import Frame
from steep.data.tokens import Tokens
from steep.shelf.summarize.windows import Layout, Windows
from steep.train.summaries import Marked, Training, Validation, sentence_loss

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
    _, _, labels, weights = own.batch(every)
    numbers, _ = own.windows.sentences(every)
    found = sentence_loss(logits[numbers], labels, weights)
    truth = torch.from_numpy(own.labels).float()
    parts = zip([0, 3, 17], [3, 17, 18], strict=True)
    expected = torch.stack([bce(logits[a:b], truth[a:b]) for a, b in parts]).mean()
    assert torch.allclose(found, expected)


def test_every_window_comes_once_an_epoch_and_from_any_batch_on() -> None:
    own = marked([3, 14, 1, 9, 2])
    source = Training(own, 2, seed=3)
    first = [source[i][0] for i in source.order()]
    assert sum(len(batch) for batch in first) == len(own)
    source.start = 2
    assert torch.equal(source[source.order()[0]][0], first[2]), "as if it had not been killed"
    source.epoch, source.start = 1, 0
    assert any(not torch.equal(source[i][0], first[i]) for i in source.order())


def test_validation_scores_come_back_in_order() -> None:
    own = marked([3, 14, 1])
    held = Validation(own, 2)
    outputs = [own.windows.sentences(members)[0] + 0.5 for members in held.members]
    assert held.scores(outputs).tolist() == [i + 0.5 for i in range(18)]
