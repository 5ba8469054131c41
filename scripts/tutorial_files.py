"""Which files stand for a user's own, where a tutorial asks for some? Made of public data sets.

None of their texts is in the repository, nor in the outputs of the tutorials.
"""

import gzip
import json
from pathlib import Path

import pandas as pd

TRAIN_ROWS = 1000  # of Kaggle's train.csv that stay its train.csv; the others play its test.csv
UNSCORED = 10  # one row in so many has -1 for all its labels, as Kaggle's unscored rows have


def kaggle_files(data: Path) -> dict[str, str]:
    """The three files of Kaggle's competition of 2018, made of the first rows of its train.csv."""
    table = pd.read_csv(data / "jigsaw2018" / "multilabel_first3000.csv.gz")
    labels = [name for name in table if name != "comment_text"]
    table.insert(0, "id", [f"{row:016x}" for row in range(len(table))])
    train, test = table[:TRAIN_ROWS], table[TRAIN_ROWS:]
    truth = test[["id", *labels]].copy()
    truth.iloc[::UNSCORED, 1:] = -1
    parts = {"train.csv": train, "test.csv": test[["id", "comment_text"]], "test_labels.csv": truth}
    return {name: part.to_csv(index=False) for name, part in parts.items()}


def article_files(data: Path) -> dict[str, str]:
    """News articles with summaries, an object a line."""
    path = data / "bbc_news_summary" / "bbc_news_summary.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    kept = [json.dumps({name: row[name] for name in ("article", "summary")}) for row in rows]
    return {"articles.jsonl": "\n".join(kept) + "\n"}


FILES = {"03_toxic_comments": kaggle_files, "05_summaries": article_files}


def write_files(name: str, data: Path, folder: Path) -> None:
    """What the tutorial of this name reads; FileNotFoundError where `data` lacks its data set."""
    if name in FILES:
        for file, content in FILES[name](data).items():
            (folder / file).write_text(content, encoding="utf-8")
