"""Are inputs those that the tokenizer itself would make, and do windows hold what they should?"""

from pathlib import Path

import datasets
import numpy as np
import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows, Sliding
from steep.errors import SteepError

TASK = Task("single", ("no", "yes"))
TEXTS = [
    "a good film",
    "the end of a long day",
    "cat",
    "x" * 30 + " road",
    "we went home and saw it",
]
PAIRS = ["very dull", "b", "the " * 12, "night " * 12, "new york city is a big old city by the sea"]


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_bert)


def corpus(pairs: bool = False, labels: list | None = None) -> Corpus:
    columns = {"row": range(5), "id": list("abcde"), "text": TEXTS}
    columns |= {"pair": PAIRS} if pairs else {}
    columns |= {"label": labels} if labels else {}
    return Corpus(datasets.Dataset.from_dict(columns), "memory")


@pytest.mark.parametrize("max_length", [8, 9, 12, 64])
def test_single_texts_are_framed_as_the_tokenizer_does(
    tokenizer: PreTrainedTokenizerBase, max_length: int
) -> None:
    rows = Rows(corpus(), TASK, tokenizer, max_length)
    for index, text in enumerate(TEXTS):
        inputs, _ = rows[index]
        own = tokenizer(text, truncation=True, max_length=max_length)
        assert inputs.tolist() == [own["input_ids"], own["attention_mask"]]
        assert rows.lengths[index] == inputs.shape[1]


@pytest.mark.parametrize("max_length", [*range(8, 24), 64])
def test_pairs_are_framed_and_truncated_as_the_tokenizer_does(
    tokenizer: PreTrainedTokenizerBase, max_length: int
) -> None:
    rows = Rows(corpus(pairs=True), TASK, tokenizer, max_length)
    for index, (one, two) in enumerate(zip(TEXTS, PAIRS, strict=True)):
        own = tokenizer(one, two, truncation="longest_first", max_length=max_length)
        expected = [own["input_ids"], own["attention_mask"], own["token_type_ids"]]
        assert rows[index][0].tolist() == expected
        assert rows.lengths[index] == len(own["input_ids"])


@pytest.mark.parametrize("truncation", ["head", "tail", "head+tail"])
def test_a_pair_never_exceeds_the_room(tokenizer: PreTrainedTokenizerBase, truncation: str) -> None:
    rows = Rows(corpus(pairs=True), TASK, tokenizer, 15, truncation)
    assert [rows[i][0].shape[1] for i in range(5)] == rows.lengths.tolist()
    assert max(rows.lengths) == 15


def test_the_tail_keeps_the_end_of_a_text(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = Rows(corpus(), TASK, tokenizer, 8, "tail")[1][0][0].tolist()
    whole = tokenizer(TEXTS[1])["input_ids"]
    assert ids == [whole[0], *whole[-7:]]


def test_a_batch_is_padded_and_keeps_its_labels(tokenizer: PreTrainedTokenizerBase) -> None:
    rows = Rows(corpus(pairs=True, labels=[0, 1, 1, 0, 1]), TASK, tokenizer, 64)
    batch, labels = rows.collate([rows[i] for i in range(5)])
    own = tokenizer(TEXTS, PAIRS, padding="max_length", max_length=batch.shape[-1])
    for channel, name in enumerate(("input_ids", "attention_mask", "token_type_ids")):
        assert batch[:, channel].tolist() == own[name]
    assert labels.tolist() == [0, 1, 1, 0, 1]
    assert batch.dtype == np.int64


@pytest.mark.parametrize("truncation", ["head", "sliding-mean"])
def test_padding_ends_where_the_model_has_no_more_places(
    tokenizer: PreTrainedTokenizerBase, truncation: str
) -> None:
    """Lengths are rounded up, to few of them; a model of 50 positions must get no 52."""
    long = Corpus(datasets.Dataset.from_dict({"row": [0], "text": ["the " * 90]}), "memory")
    rows = Rows(long, TASK, tokenizer, 50, truncation)
    assert rows.collate([rows[0]])[0].shape[-1] == 50


def test_without_labels_each_is_zero(tokenizer: PreTrainedTokenizerBase) -> None:
    assert [
        label for _, label in map(Rows(corpus(), TASK, tokenizer, 16).__getitem__, range(5))
    ] == [0] * 5


def test_rows_of_unknown_texts_are_told_and_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = datasets.Dataset.from_dict({"row": range(2), "text": ["ЖЖ Ш", "Ж"]})
    rows = Rows(Corpus(texts, "memory"), TASK, tokenizer, 8)
    (note,) = rows.notes("training")
    assert note.startswith("100.0% of the tokens of the training texts are unknown")
    with pytest.raises(SteepError, match="nothing can be learnt from these texts"):
        rows.check_known()
    Rows(corpus(), TASK, tokenizer, 8).check_known()


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


def texts_alone(*texts: str, pair: bool = False) -> Corpus:
    columns = {"row": range(len(texts)), "id": list(texts), "text": list(texts)}
    columns |= {"pair": list(texts)} if pair else {}
    return Corpus(datasets.Dataset.from_dict(columns), "memory")


def test_rows_are_framed_windows_and_a_batch_fills_up(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    words = "the good bad film story night road cat was very old dog".split()
    rows = Rows(texts_alone(" ".join(words), "the cat"), TASK, tokenizer, 8, "sliding-mean")
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
    long = texts_alone("the " * 30, "the cat")
    few = Rows(long, TASK, tokenizer, 8, "sliding-max", Sliding(2))
    assert few.notes("x")[0].endswith("2 at most; of 1 some is left out, 56.2% of all tokens")
    cut = Rows(long, TASK, tokenizer, 8, "tail").notes("x")[0]
    assert cut.endswith("8 tokens; 75.0% of all tokens are cut off (tail is kept)")
    with pytest.raises(SteepError, match="not over pairs"):
        Rows(texts_alone("a", pair=True), TASK, tokenizer, 8, "sliding-mean")
