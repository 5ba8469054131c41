"""Which real data sets are methods compared on? Small samples of public ones, one of every kind.

They are read from a folder with `trec`, `goemotions`, `civil_comments_toxic_spans`, `imdb` and
`banking77`, as their authors published them (Civil Comments in the version of SemEval-2021's task
on toxic spans).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

Parts = tuple[pd.DataFrame, pd.DataFrame]  # train and test: a column text, one or more of labels


@dataclass(frozen=True)
class Set:
    """A data set: `read(folder)` gives all of it, from which `train` and `test` rows are drawn.

    With `each`, so many training rows of every class are drawn instead. `options` are those of a
    fit.
    """

    read: Callable[[Path], Parts]
    train: int
    test: int
    options: dict[str, Any]
    each: int | None = None

    def write(self, folder: Path, out: Path) -> tuple[Path, Path]:
        """The drawn rows as train.csv and test.csv in `out`; the same rows every time."""
        train, test = self.read(folder)
        if self.each is None:
            train = train.sample(self.train, random_state=0)
        else:
            train = train.groupby("label").sample(self.each, random_state=0)
        out.mkdir(parents=True, exist_ok=True)
        paths = out / "train.csv", out / "test.csv"
        train.to_csv(paths[0], index=False)
        test.sample(self.test, random_state=0).to_csv(paths[1], index=False)
        return paths


def trec(folder: Path) -> Parts:
    """Questions, six classes (Li and Roth 2002)."""

    def part(name: str) -> pd.DataFrame:
        lines = (folder / "trec" / name).read_text(encoding="latin-1").splitlines()
        rows = [line.split(" ", 1) for line in lines]
        return pd.DataFrame([(text, label.split(":")[0]) for label, text in rows], columns=COLUMNS)

    return part("train_5500.label"), part("TREC_10.label")


def goemotions(folder: Path) -> Parts:
    """Comments, with any of Ekman's six emotions and neutral (Demszky et al. 2020)."""
    own = folder / "goemotions"
    labels = (own / "ekman_labels.txt").read_text(encoding="utf-8").split()

    def part(name: str) -> pd.DataFrame:
        table = pd.read_csv(own / name, sep="\t", names=["text", "labels", "id"], quoting=3)
        given = table["labels"].astype(str).str.split(",")
        return table[["text"]].assign(
            **{label: [int(str(i) in row) for row in given] for i, label in enumerate(labels)}
        )

    return part("ekman_train.tsv.gz"), part("ekman_test.tsv")


def civil(folder: Path) -> Parts:
    """Comments, and the share of raters who found them toxic; split at random, each text once."""
    own = folder / "civil_comments_toxic_spans"
    votes = pd.read_csv(own / "annotations.csv.gz")
    shares = votes.groupby("comment_id")["all toxic"].mean().rename("toxicity").reset_index()
    table = pd.read_csv(own / "comments.csv.gz").merge(shares, on="comment_id")
    table = table.rename(columns={"comment_text": "text"})[["text", "toxicity"]]
    table = table.drop_duplicates("text")
    order = random.Random(0).sample(range(len(table)), len(table))
    half = len(table) // 2
    return table.iloc[order[:half]], table.iloc[order[half:]]


def imdb(folder: Path) -> Parts:
    """Film reviews, two classes (Maas et al. 2011)."""
    train, test = (
        pd.read_json(folder / "imdb" / f"{part}.jsonl.gz", lines=True)[COLUMNS]
        for part in ("train", "test")
    )
    return train, test


def banking77(folder: Path) -> Parts:
    """Questions to a bank, 77 intents (Casanueva et al. 2020)."""
    train, test = (
        pd.read_csv(folder / "banking77" / f"{part}.csv").rename(columns={"category": "label"})
        for part in ("train", "test")
    )
    return train, test


COLUMNS = ["text", "label"]
EMOTIONS = "anger,disgust,fear,joy,neutral,sadness,surprise"
SETS = {
    "trec": Set(trec, 625, 500, {"label": "label", "epochs": 10, "max_length": 32}),
    "goemotions": Set(goemotions, 1250, 1000, {"label": EMOTIONS, "epochs": 5, "max_length": 32}),
    "civil": Set(
        civil, 750, 750, {"label": "toxicity", "task": "regression", "epochs": 4, "max_length": 64}
    ),
    "imdb": Set(
        imdb,
        *(375, 500),
        {"label": "label", "epochs": 5, "max_length": 128, "truncation": "head+tail"},
    ),
    "banking77": Set(
        banking77, 0, 1000, {"label": "label", "epochs": 12, "max_length": 32, "shots": 8}, each=12
    ),
}
