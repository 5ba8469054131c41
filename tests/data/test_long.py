"""Do sliding windows hold the text that they should, and is what they lose counted?"""

from pathlib import Path

import datasets
import numpy as np
import pytest
from transformers import AutoTokenizer

from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows, Sliding
from steep.errors import SteepError

TASK = Task("single", ("no", "yes"))


def held(sliding: Sliding, length: int, room: int) -> set[int]:
    starts = sliding.starts(length, room)
    return {at for start in starts for at in range(start, min(start + room, length))}


@pytest.mark.parametrize("length", [*range(0, 45), 100])
@pytest.mark.parametrize("sliding", [Sliding(), Sliding(3), Sliding(5), Sliding(1)])
def test_windows_are_whole_and_what_they_lack_is_counted(sliding: Sliding, length: int) -> None:
    starts = sliding.starts(length, 10)
    assert len(starts) == sliding.counts(np.array([length]), 10)[0] <= sliding.most
    assert starts[0] == 0
    if len(starts) > 1:
        assert starts[-1] == length - 10, "the tail is read"
        assert np.ptp(np.diff(starts)) <= 1
    lost = sliding.lost(np.array([length]), 10)[0]
    assert length - len(held(sliding, length, 10)) == lost
    if len(starts) < sliding.most:
        assert lost == 0
        assert np.diff(starts).max(initial=0) <= 10


def corpus(*texts: str, pair: bool = False) -> Corpus:
    columns = {"row": range(len(texts)), "id": list(texts), "text": list(texts)}
    columns |= {"pair": list(texts)} if pair else {}
    return Corpus(datasets.Dataset.from_dict(columns), "memory")


def test_rows_are_framed_windows_and_a_batch_fills_up(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    words = "the good bad film story night road cat was very old dog".split()
    rows = Rows(corpus(" ".join(words), "the cat"), TASK, tokenizer, 8, "sliding-mean")
    assert rows[0][0].shape == (2, 2, 8)
    for window, text in zip(rows[0][0], (words[:6], words[6:]), strict=True):
        assert window[0].tolist() == tokenizer(" ".join(text))["input_ids"]
    batch, _ = rows.collate([rows[0], rows[1]])
    assert batch.shape == (2, 2, 2, 8)
    assert batch[:, :, 1].sum(-1).tolist() == [[8, 8], [4, 0]]
    assert (batch[:, :, 0][batch[:, :, 1] == 0] == tokenizer.pad_token_id).all()
    assert rows.lengths.tolist() == [16, 4]
    assert rows.notes("training") == [
        "1 of 2 training texts are longer than 8 tokens; read in 2.0 windows each, 2 at most"
    ]


def test_what_is_lost_is_said(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    long = corpus("the " * 30, "the cat")
    few = Rows(long, TASK, tokenizer, 8, "sliding-max", Sliding(2))
    assert few.notes("x")[0].endswith("2 at most; of 1 some is left out, 56.2% of all tokens")
    cut = Rows(long, TASK, tokenizer, 8, "tail").notes("x")[0]
    assert cut.endswith("8 tokens; 75.0% of all tokens are cut off (tail is kept)")
    with pytest.raises(SteepError, match="not over pairs"):
        Rows(corpus("a", pair=True), TASK, tokenizer, 8, "sliding-mean")
