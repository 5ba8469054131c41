"""What do the snippets of the documentation find? The files that they name, with tiny contents."""

import gzip
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from transformers import BertConfig, BertForPreTraining, BertTokenizerFast

from tests.conftest import BAD, GOOD, WORDS
from tests.shelf.bias.test_hatecheck import cases
from tests.stages.conftest import TOXIC, steep  # noqa: F401

TABLES = (
    *("reviews.csv", "new.csv", "test.csv", "questions.csv", "comments.csv", "pile.csv"),
    *("train.csv", "trec.csv", "trec-test.csv", "sst5.csv", "sst5-test.csv", "sentences.csv"),
    *("banking77.csv", "banking77-test.csv", "imdb.csv", "jigsaw.csv.gz", "table.parquet"),
    *("demo/data/reviews.csv", "demo/data/test.csv"),
)
TEXTS = (
    *("more.txt", "more_text.txt", "forum.txt", "demo/data/unlabelled.txt", "folder/one.txt"),
    *(
        "pile.jsonl",
        "news.jsonl",
        "unsup.jsonl",
        "imdb.jsonl",
        "ag.jsonl",
        "more.jsonl",
        "forum.jsonl.gz",
    ),
)


def rows(name: str, count: int = 110) -> pd.DataFrame:
    """Rows of every column that the documentation names; other ones for every file."""
    draw, found = random.Random(name), []
    for number in range(count):
        good = number % 2
        text = " ".join([*draw.choices(WORDS, k=12), draw.choice((BAD, GOOD)[good])])
        row = {"id": f"{number}", "text": text, "review": text, "comment_text": text}
        for column in ("sentiment", "label", "topic", "category"):
            row[column] = ("negative", "positive")[good]
        row |= {"stars": 1 + 3 * good + draw.randint(0, 1), "helpful": 1.5 * good + draw.random()}
        row |= {"trust": 1 + good, "toxicity": round(0.2 + 0.6 * good, 2)}
        found.append(row | {name: int(good or draw.random() < 0.2) for name in TOXIC})
    table = pd.DataFrame(found)
    for step, group in enumerate(("female", "black", "muslim"), 2):  # which rows mention it
        table[group] = (table.index // step % 2).astype(float)
    return table


def documents(name: str, count: int = 40) -> pd.DataFrame:
    """Articles of five sentences, and their highlights: the two that tell most."""
    draw, found = random.Random(name), []
    for _ in range(count):
        told = [" ".join([*draw.choices(WORDS, k=8), draw.choice(GOOD)]) for _ in range(5)]
        lines = [f"{line.capitalize()}." for line in told]
        found.append({"article": " ".join(lines), "highlights": " ".join(lines[1:3])})
    return pd.DataFrame(found)


@pytest.fixture(scope="session")
def long_bert(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT with 512 positions and 4 layers, for what a real checkpoint can do."""
    folder = tmp_path_factory.mktemp("long") / "bert"
    shutil.copytree(tiny_bert, folder)
    sizes = {"max_position_embeddings": 512, "num_hidden_layers": 4}
    config = BertConfig.from_pretrained(tiny_bert, **sizes)
    BertForPreTraining(config).save_pretrained(folder)
    BertTokenizerFast.from_pretrained(folder, model_max_length=512).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def files(
    steep: Callable[..., Any],  # noqa: F811
    long_bert: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with all files that a snippet names, and runs of `adapt`, `fit` and `multitask`."""
    folder = tmp_path_factory.mktemp("files")
    for name in (*TABLES, *TEXTS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        table = rows(name)
        kept = table.drop(columns="id") if name == "table.parquet" else table
        write = kept.to_parquet if name.endswith("parquet") else kept.to_csv
        write(folder / name, index=False)
    for name in TEXTS:
        words = rows(name)["text"]  # of two sentences each
        table = pd.DataFrame({"text": [f"{w.capitalize()}. The end was {w}." for w in words]})
        lines = table.to_json(orient="records", lines=True) if "json" in name else None
        content = lines or "\n".join(table["text"])
        opened = gzip.open if name.endswith("gz") else open
        with opened(folder / name, "wt", encoding="utf-8") as stream:
            stream.write(content)
    for name in ("articles.jsonl", "test.jsonl"):
        documents(name).to_json(folder / name, orient="records", lines=True)
    shutil.copyfile(folder / "more.txt", folder / "new.txt")
    table = ("--text review --label sentiment", "--model", long_bert, "--epochs 1 --out")
    steep("adapt", folder / "reviews.csv", *table, folder / "adapted")
    steep("fit", folder / "reviews.csv", *table, folder / "model")
    both = (folder / "reviews.csv", folder / "questions.csv")
    for name in ("model-base", "model-adapted"):
        shutil.copytree(folder / "model", folder / name)
    cases().to_csv(folder / "hatecheck.csv")
    steep("multitask", *both, *table, folder / "both")
    return folder
