"""With what are runs tried by the hundred? A BERT made in memory, and a table it can learn."""

import random
from pathlib import Path

import pandas as pd

GOOD = "good great fine lovely bright happy warm brilliant superb charming"
BAD = "bad awful dull ugly gloomy sad cold boring terrible dreadful"
OTHER = (
    "the a an of and in to it this that film story plot actor scene music end start middle was is "
    "were be had with without for from by on at as but so very quite too . , !"
)
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SPEED = ("--max-length", "32", "--device", "cpu", "--precision", "fp32")


def make_model(folder: Path) -> Path:
    """A random BERT of 2 layers x 32 with pooler, masked-LM head and tokenizer, in `folder`."""
    import torch
    from transformers import BertConfig, BertForPreTraining, BertTokenizerFast

    pieces = [f"##{letter}" for letter in LETTERS]
    vocabulary = [*SPECIAL, *dict.fromkeys([*f"{OTHER} {GOOD} {BAD}".split(), *LETTERS]), *pieces]
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    BertForPreTraining(config).save_pretrained(folder)
    numbers = {word: number for number, word in enumerate(vocabulary)}
    BertTokenizerFast(vocab=numbers, model_max_length=64).save_pretrained(folder)
    return folder


def make_rows(count: int, seed: int = 0) -> pd.DataFrame:
    """A table of id, text and label, in which one word of a text gives its label away."""
    draw, rows = random.Random(seed), []
    for number in range(count):
        label, telling = (("negative", BAD), ("positive", GOOD))[number % 2]
        words = [draw.choice(telling.split()), *draw.choices(OTHER.split(), k=draw.randint(6, 16))]
        draw.shuffle(words)
        rows.append((f"r{number}", " ".join(words), label))
    return pd.DataFrame(rows, columns=["id", "text", "label"])
