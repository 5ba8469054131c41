"""Are texts tokenised as the tokenizer would, whole or word by word, and unknown ones counted?"""

import string
from contextlib import nullcontext
from pathlib import Path

import datasets
import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    AlbertTokenizerFast,
    AutoTokenizer,
    BertTokenizerFast,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaTokenizerFast,
    XLMRobertaTokenizerFast,
)

from steep.data import tokens
from steep.data.corpus import Corpus
from steep.data.inputs import Frame, frame, truncate
from steep.data.tokens import (
    Tokens,
    WordByWord,
    check_known,
    encode_texts,
    is_word_by_word,
    notes_of_unknown,
    tokenize,
    windows,
)
from steep.data.words import vocabulary_fit
from steep.errors import SteepError

LETTERS = string.ascii_lowercase


def numbered(names: list[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def pieces(mark: str) -> list[tuple[str, float]]:
    return [(letter, -3.0) for letter in LETTERS] + [(mark + letter, -2.0) for letter in LETTERS]


def word_piece() -> PreTrainedTokenizerBase:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return BertTokenizerFast(vocab=numbered([*special, *LETTERS, *(f"##{x}" for x in LETTERS)]))


def byte_pair() -> PreTrainedTokenizerBase:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = numbered([*special, "Ġ", *LETTERS, *(f"Ġ{letter}" for letter in LETTERS)])
    return RobertaTokenizerFast(vocab=vocabulary, merges=[("Ġ", letter) for letter in LETTERS])


def xlm_roberta() -> PreTrainedTokenizerBase:
    special = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    return XLMRobertaTokenizerFast(vocab=[*special, *pieces("▁"), ("<mask>", 0.0)])


def albert() -> PreTrainedTokenizerBase:
    special = [(name, 0.0) for name in ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")]
    return AlbertTokenizerFast(vocab=[*special, *pieces("▁")])


FRAMES = [
    (word_piece, Frame(before=(2,), between=(3,), after=(3,), types=(0, 1), pad=0)),
    (byte_pair, Frame(before=(0,), between=(2, 2), after=(2,), types=(0, 0), pad=1)),
    (xlm_roberta, Frame(before=(0,), between=(2, 2), after=(2,), types=(0, 0), pad=1)),
    (albert, Frame(before=(2,), between=(3,), after=(3,), types=(0, 1), pad=0)),
]


def corpus(texts: list[str]) -> Corpus:
    table = {"row": range(len(texts)), "id": list(map(str, range(len(texts)))), "text": texts}
    return Corpus(datasets.Dataset.from_dict(table), "memory")


def random_tokens(lengths: list[int]) -> Tokens:
    ids = np.arange(100, 100 + sum(lengths), dtype=np.int32)
    return Tokens(ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


@pytest.mark.parametrize(("make", "expected"), FRAMES)
def test_the_frame_is_what_the_tokenizer_adds(make, expected: Frame) -> None:
    tokenizer = make()
    assert frame(tokenizer) == expected
    one, two = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("go on", "to be"))
    single, pair = [*expected.before, *one, *expected.after], tokenizer("go on", "to be")
    assert tokenizer("go on")["input_ids"] == single
    joined = [*expected.before, *one, *expected.between, *two, *expected.after]
    assert pair["input_ids"] == joined
    assert expected.room(50) == 50 - (len(single) - len(one))
    assert expected.room(50, pair=True) == 50 - (len(joined) - len(one) - len(two))


def test_a_tokenizer_without_padding_is_refused() -> None:
    bare = Tokenizer(models.WordLevel(numbered(["a", "b", "?"]), unk_token="?"))
    with pytest.raises(SteepError, match="no padding token"):
        frame(PreTrainedTokenizerFast(tokenizer_object=bare))


@pytest.mark.parametrize("make", [make for make, _ in FRAMES])
def test_tokens_are_the_tokenizers_own_without_special_ones(make) -> None:
    texts = ["one two", "", "a", "Some [MASK]\tmore <s> wörds, 99!\n", "x y z"] * 300  # two chunks
    tokenizer = make()
    tokenizer("much too long", truncation=True, max_length=3, padding="max_length")  # to be undone
    found = tokenize(corpus(texts), tokenizer)
    assert len(found) == len(texts)
    for index in (0, 1, 2, 3, 4, 999, 1000, 1001, 1499):
        expected = tokenizer(texts[index], add_special_tokens=False)["input_ids"]
        assert found[index].tolist() == expected
    assert found.lengths.sum() == len(found.ids)
    assert found.ids.dtype == np.int32


def test_a_corpus_of_empty_texts_has_no_tokens() -> None:
    assert tokenize(corpus(["", ""]), word_piece()).lengths.tolist() == [0, 0]


def test_a_second_call_takes_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CHUNK", 1)  # fewer texts than that leave no file
    texts, tokenizer = corpus(["one two", "three"]), word_piece()
    first = tokenize(texts, tokenizer)

    def never(*_: object) -> None:
        raise AssertionError("tokenised twice")

    monkeypatch.setattr(tokens, "_write", never)
    again = tokenize(texts, tokenizer)
    assert isinstance(again.ids, np.memmap)
    assert again.ids.tolist() == first.ids.tolist()
    with pytest.raises(AssertionError, match="tokenised twice"):
        tokenize(corpus(["other words", "too"]), tokenizer)


def test_the_cache_tells_tokenizers_of_one_vocabulary_apart() -> None:
    texts = corpus(["ONE two"])
    lower = BertTokenizerFast(vocab=word_piece().get_vocab())
    cased = BertTokenizerFast(vocab=word_piece().get_vocab())
    cased.backend_tokenizer.normalizer = None
    assert lower("ONE")["input_ids"] != cased("ONE")["input_ids"]
    first, second = tokenize(texts, lower), tokenize(texts, cased)
    assert first.ids.tolist() != second.ids.tolist()


def test_a_tokenizer_saved_elsewhere_shares_the_cache(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, tokenizer = (
        corpus(["good film", "a sad story"]),
        AutoTokenizer.from_pretrained(tiny_bert),
    )
    tokenize(texts, tokenizer)
    tokenizer("one text", "another", truncation=True, max_length=8, padding="max_length")
    tokenizer.save_pretrained(tmp_path / "adapted")
    monkeypatch.setattr(tokens, "_write", lambda *_: pytest.fail("tokenised twice"))
    tokenize(texts, AutoTokenizer.from_pretrained(tmp_path / "adapted"))


def test_truncation_keeps_head_tail_or_both() -> None:
    ids = np.arange(10)
    assert truncate(ids, 10, "head") is ids
    assert truncate(ids, 4, "head").tolist() == [0, 1, 2, 3]
    assert truncate(ids, 4, "tail").tolist() == [6, 7, 8, 9]
    assert truncate(ids, 8, "head+tail").tolist() == [0, 1, 4, 5, 6, 7, 8, 9]
    long = truncate(np.arange(600), 510, "head+tail")
    assert (long[:127].tolist(), long[127]) == (list(range(127)), 600 - 383)


@pytest.mark.parametrize("room", [1, 2, 7, 30, 1000])
def test_windows_cover_every_token_once_and_cross_no_document(room: int) -> None:
    lengths = np.random.default_rng(0).integers(0, 80, 50).tolist()
    lengths[0], lengths[7], lengths[-1] = 0, 0, 0
    text = random_tokens(lengths)
    spans = windows(text, room)
    covered = np.concatenate([text.ids[a:b] for a, b in spans])
    assert covered.tolist() == text.ids.tolist()
    assert (spans[:, 1] - spans[:, 0]).max() <= room
    assert (spans[:, 1] > spans[:, 0]).all()
    first, last = (
        np.searchsorted(text.offsets, at, "right") for at in (spans[:, 0], spans[:, 1] - 1)
    )
    assert (first == last).all()


def test_the_windows_of_a_long_document_are_of_equal_length() -> None:
    spans = windows(random_tokens([101, 3]), 50)
    assert (spans[:, 1] - spans[:, 0]).tolist() == [33, 34, 34, 3]


def test_whole_words_and_fertility(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    texts = ["the cat was very old", "the dog xyzzyq", "the film"]
    corpus = Corpus(datasets.Dataset.from_dict({"row": range(3), "text": texts}), "memory")
    count = len(tokenize(corpus, tokenizer).ids)
    found = vocabulary_fit(corpus, tokenizer, count)
    words = {*" ".join(texts).split()}
    ids = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    assert found["words"] == 8
    assert found["whole"] == sum(len(pieces) == 1 for pieces in ids) / 8
    assert found["tokens_a_word"] == round(count / 10, 3)


def test_characters_are_words_where_no_blanks_part_them(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    corpus = Corpus(datasets.Dataset.from_dict({"row": [0], "text": ["好看 the 好"]}), "memory")
    found = vocabulary_fit(corpus, tokenizer, 4)
    assert (found["tokens_a_word"], found["words"], found["whole"]) == (1.0, 3, 1.0)


@pytest.mark.parametrize("strips", [True, False])
def test_words_that_lose_their_accents_are_counted(strips: bool) -> None:
    words = "Das schöne Haus war schon schön , SCHÖN . мой мои ёлка café cafe\u0301 한국".split()
    plain = {"schone", "schon", "мои", "елка", "cafe", "한국", "das", "haus", "war"}
    vocab = ["[UNK]", *sorted({word.casefold() for word in words} | plain)]
    backend = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(vocab)}, unk_token="[UNK]")
    )
    backend.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=strips)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    text = {"row": [0], "text": [" ".join(words)]}
    found = vocabulary_fit(Corpus(datasets.Dataset.from_dict(text), "memory"), tokenizer, 16)
    if not strips:
        assert (found["unaccented"], found["merged"], found["merged_examples"]) == (0, 0, [])
        return
    assert found["unaccented"] == round(7 / 13, 4)  # schöne, schön twice, мой, ёлка, café twice
    assert sorted(found["merged_examples"]) == [["schön", "schon"], ["мой", "мои"]]
    assert found["merged"] == 2


@pytest.mark.parametrize("chunk", [1000, 1], ids=["in memory", "in a file"])
def test_unknown_tokens_are_counted(
    tiny_bert: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(tokens, "CHUNK", chunk)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    texts = ["the cat", "ЖЖ Ш", "", "the Ж", "a dog ran"]
    corpus = Corpus(datasets.Dataset.from_dict({"row": range(5), "text": texts}), "memory")
    for _ in range(2):
        found = tokenize(corpus, tokenizer)
        assert (found.unknown, found.blank) == (3, 1)
    assert notes_of_unknown("training", [found, found]) == [
        "33.3% of the tokens of the training texts are unknown to the tokenizer ([UNK]); "
        "2 of 10 texts hold nothing else"
    ]


def made(unknown: int, blank: int, count: int = 100) -> Tokens:
    return Tokens(np.zeros(count, np.int32), np.array([0, count]), unknown, blank)


@pytest.mark.parametrize(
    ("columns", "said", "learns"),
    [
        ([made(9, 0)], 0, True),
        ([made(10, 0)], 1, True),
        ([made(1, 1)], 1, True),
        ([made(100, 1)], 1, False),
        ([made(100, 1), made(0, 0, 1)], 1, True),
        ([made(0, 0, 0)], 0, False),
    ],
)
def test_what_is_unknown_is_said_and_nothing_is_learnt_from_it_alone(
    tiny_bert: Path, columns: list[Tokens], said: int, learns: bool
) -> None:
    assert len(notes_of_unknown("training", columns)) == said
    with nullcontext() if learns else pytest.raises(SteepError, match="knows none of their"):
        check_known(AutoTokenizer.from_pretrained(tiny_bert), columns)


ODD = [
    "",
    " ",
    "a\x85b\u00a0the\x0bfilm e\u0301 \u0301x Σας [MASK]x [SEP].",
    "漢字 a\x00b \u200d",
    "\x1cz\x1d y",
]


def bert(folder: Path):  # the tokenizers.Tokenizer within
    return AutoTokenizer.from_pretrained(folder).backend_tokenizer


def test_tokens_are_those_of_the_whole_text(tiny_bert: Path, tiny_rows) -> None:
    tokenizer = bert(tiny_bert)
    texts = [*ODD, *(text for _, text, _ in tiny_rows), *ODD]
    assert is_word_by_word(tokenizer)
    found, expected = WordByWord(tokenizer)(texts), encode_texts(tokenizer, texts)
    assert found[0].tolist() == expected[0].tolist()
    assert found[1].tolist() == expected[1].tolist()


def test_few_words_are_remembered(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "KEPT", 3)
    tokenizer = bert(tiny_bert)
    texts, tokens_of = ["the cat", "a dog", "the film of a dog", "cat"], WordByWord(tokenizer)
    found = np.concatenate([tokens_of([text])[0] for text in texts])
    assert found.tolist() == encode_texts(tokenizer, texts)[0].tolist()
    assert len(tokens_of.numbers) <= 5  # those of the longest text


def test_a_token_that_holds_a_blank_needs_the_whole_text(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.add_tokens(["the film"])
    assert not is_word_by_word(tokenizer.backend_tokenizer)
