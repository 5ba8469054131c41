"""Which real data sets are a first run tried on? Samples of so many rows of public ones.

They are read from a folder that holds them as their authors published them. `DERIVED` are those
by which the defaults were chosen; `KEPT` had no part in that.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import sets

Parts = tuple[pd.DataFrame, pd.DataFrame]
TOXIC = "toxic,severe_toxic,obscene,threat,insult,identity_hate"
COLUMNS = ["text", "label"]
TEST = 500


@dataclass(frozen=True)
class Sample:
    """A data set: `read(folder)` gives train and test, from which rows are drawn by a seed."""

    read: Callable[[Path], Parts]
    max_length: int
    columns: dict[str, Any] = field(default_factory=lambda: {"text": "text", "label": "label"})
    even: bool = False  # as many rows of each class as there are
    valid_share: float = 0.2

    @property
    def split(self) -> dict[str, Any]:
        """The options of a split that leaves the test to its own file."""
        return {"valid_share": self.valid_share, "test_share": 0.0}

    def write(self, folder: Path, out: Path, rows: int, seed: int) -> tuple[Path, Path]:
        """`rows` drawn rows as train.csv and up to 500 as test.csv in `out`; test never changes."""
        train, test = self.read(folder)
        paths = out / "train.csv", out / "test.csv"
        train = train.sample(frac=1.0, random_state=seed)
        kind = self.columns.get("task")
        if kind != "regression" and "," not in self.columns["label"]:  # one of every class
            number = train.groupby("label").cumcount()  # the how manieth of its class
            train = train.iloc[np.argsort(number if self.even else number > 0, kind="stable")]
        train[:rows].to_csv(paths[0], index=False)
        test.sample(min(TEST, len(test)), random_state=0).to_csv(paths[1], index=False)
        return paths


def halves(table: pd.DataFrame) -> Parts:
    """A table without parts of its own, each text once, split at random."""
    table = table.drop_duplicates("text").sample(frac=1.0, random_state=0)
    return table.iloc[: len(table) // 2], table.iloc[len(table) // 2 :]


def newsgroups(folder: Path) -> Parts:
    """Mail to 20 newsgroups, split by date (Lang 1995)."""
    train, test = (
        pd.read_json(folder / "20newsgroups_bydate" / f"{part}.jsonl.gz", lines=True)
        for part in ("train", "test")
    )
    return train[["text", "label"]], test[["text", "label"]]


def ag_news(folder: Path) -> Parts:
    """News, four classes (Zhang et al. 2015)."""
    names = ["text", "label"]
    read = lambda name: pd.read_csv(folder / "ag_news" / name, names=names, header=None)  # noqa: E731
    return read("lst_train_5000.csv.gz"), read("lst_test.csv")


def jigsaw(folder: Path) -> Parts:
    """Comments, six kinds of toxicity (Jigsaw 2018)."""
    table = pd.read_csv(folder / "jigsaw2018" / "multilabel_first3000.csv.gz")
    return halves(table.rename(columns={"comment_text": "text"}))


def clinc(folder: Path) -> Parts:
    """Questions to an assistant, 150 intents (Larson et al. 2019)."""
    with gzip.open(folder / "clinc150" / "data_full.json.gz", "rt") as file:
        found = json.load(file)
    return tuple(  # type: ignore[return-value]
        pd.DataFrame(found[part], columns=["text", "label"]) for part in ("train", "test")
    )


def _flat(folder: Path, name: str) -> pd.DataFrame:
    """Lines such as `1 a fine film`."""
    raw = (folder / "sst_mr_cr_mpqa" / name).read_bytes()
    text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode("latin-1")
    rows = [line.split(" ", 1) for line in text.split("\n")]
    return pd.DataFrame([(r[1], f"class {r[0]}") for r in rows if len(r) == 2], columns=COLUMNS)


def custrev(folder: Path) -> Parts:
    """Sentences of product reviews, two classes (Hu and Liu 2004)."""
    return halves(_flat(folder, "custrev.all"))


def polarity(folder: Path) -> Parts:
    """Sentences of film reviews, two classes (Pang and Lee 2005)."""
    return halves(_flat(folder, "rt-polarity.all.gz"))


def mpqa(folder: Path) -> Parts:
    """Phrases of news, two classes (Wiebe et al. 2005)."""
    return halves(_flat(folder, "mpqa.all"))


def chemprot(folder: Path) -> Parts:
    """Sentences on chemicals and proteins, 13 relations (Kringelum et al. 2016)."""
    own = folder / "chemprot"
    return (
        pd.read_json(own / "train.txt.gz", lines=True)[["text", "label"]],
        pd.read_json(own / "test.txt", lines=True)[["text", "label"]],
    )


MANY = {"text": "text", "label": "label", "task": "single"}  # classes, though rows are few
EKMAN = {"text": "text", "label": sets.EMOTIONS}
DERIVED = {
    "imdb": Sample(sets.imdb, 128),
    "trec": Sample(sets.trec, 32),
    "banking77": Sample(sets.banking77, 32, MANY),
    "banking77_even": Sample(sets.banking77, 32, MANY, even=True, valid_share=0.1),
    "newsgroups": Sample(newsgroups, 128),
    "goemotions": Sample(sets.goemotions, 32, EKMAN),
    "jigsaw": Sample(jigsaw, 128, {"text": "text", "label": TOXIC}),
    "civil": Sample(sets.civil, 64, {"text": "text", "label": "toxicity", "task": "regression"}),
    "polarity": Sample(polarity, 64),
}
KEPT = {
    "ag_news": Sample(ag_news, 64),
    "clinc150": Sample(clinc, 32, MANY),
    "custrev": Sample(custrev, 64),
    "mpqa": Sample(mpqa, 32),
    "chemprot": Sample(chemprot, 128),
}
SAMPLES = DERIVED | KEPT
