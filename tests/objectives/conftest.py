"""A tokenizer of each kind, trained on a small text that has every kind of sign."""

from collections.abc import Callable

import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXT = [
    "The film's unforgettable storytelling, however, wasn't rewarded: 1,250 viewers walked out!",
    "Interestingly (and surprisingly) the re-released version of 2004 did better...",
    "“Unbelievable performances”, wrote one reviewer; others weren't so sure — 3.5 out of 10?",
    "Café, naïve, Übermut und Größe: international storytellers rewrote 10,000 lines.",
    "She'd watched it again & again; they'll re-watch 'stopped clocks' in 1999/2000 :-)",
]


def wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerBase:
    """As transformers has it, with [CLS] before and [SEP] after a text."""
    cls, sep = (tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
    )
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    options = {f"{role}_token": name for role, name in names.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **options)


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=170, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def byte_pair() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


@pytest.fixture(scope="session", params=[word_piece, byte_pair, unigram], ids=lambda f: f.__name__)
def trained(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    """A trained tokenizer: WordPiece, byte-level BPE, SentencePiece's Unigram."""
    make: Callable[[], Tokenizer] = request.param
    return wrapped(make())


@pytest.fixture(scope="session")
def lines() -> list[str]:
    """The text the tokenizers were trained on."""
    return TEXT
