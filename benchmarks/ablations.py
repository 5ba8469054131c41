"""What do the three ablations of `steep compare` find on real text? Few labels, short texts.

    python -m benchmarks.ablations --data FOLDER --model DIR --work FOLDER

FOLDER holds `trec`, `sst_mr_cr_mpqa`, `imdb` and `ag_news`, as their authors published them. 500
test rows, 32 tokens of a text. ULMFiT's tables on 200 questions of TREC, as in the paper, and three
seeds; the others on 100 sentences of film reviews, beside the papers' IMDb, and two. All of it
stays in --work, and the same command resumes. `--table` prints the tables that are there.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import pandas as pd

import steep
from benchmarks import sets
from benchmarks.samples import custrev, polarity
from steep.runs import read_json
from steep.shelf.ablation.paper_section import paper_table
from steep.shelf.ablation.tables import read_ablation

LABELS, VALID, TEST, DRAW = {"trec": 200, "polarity": 100}, 60, 500, 7
REVIEWS, PILE, PRODUCTS = 1_000, 30_000, 300
COMMON = {"label": "label", "max_length": 32, "batch_size": 16, "test_share": 0.0, "threads": 1}
FEW = {"epochs": 12, "seeds": 2, "adapt": {"max_steps": 20}}  # of 4,096 tokens, for every arm
RATE = {"learning_rate": 3e-4}  # this checkpoint's: at that of the paper's BERT it learns nothing
TEXTS = {"unlabelled": "more", "in_domain": "reviews", "cross_domain": "news", "tables": "products"}
PILES = {"curated": "more", "in_domain": "reviews", "pile": "pile"}
STUDIES: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {  # a data set, texts, options
    "ulmfit": (
        "trec",
        {"unlabelled": "more"},
        FEW | {"epochs": 10, "seeds": 3, "adapt": {"max_steps": 30}},
    ),
    "sun2019": ("polarity", TEXTS, FEW | RATE),
    "dont-stop-pretraining": ("polarity", PILES, FEW),
}


def write(data: Path, work: Path) -> None:
    """The tables and texts of all three; the same ones every time."""
    for name, (train, test) in {"trec": sets.trec(data), "polarity": polarity(data)}.items():
        own, rows = work / name, LABELS[name] + VALID
        own.mkdir(parents=True, exist_ok=True)
        drawn = train.drop_duplicates("text").sample(frac=1.0, random_state=DRAW)
        drawn[:rows].to_csv(own / "train.csv", index=False)
        drawn[["text"]][rows:].to_csv(own / "more.csv", index=False)
        test.sample(TEST, random_state=DRAW).to_csv(own / "test.csv", index=False)
    reviews = pd.read_json(data / "imdb" / "unsup.jsonl.gz", lines=True)["text"]
    reviews = reviews.sample(11 * REVIEWS, random_state=DRAW).str.replace("<br />", " ")
    sentences = reviews[REVIEWS:].map(lambda text: re.split(r"(?<=[.!?]) +", text)).explode()
    sentences = sentences[sentences.str.split().str.len().between(8, 40)].drop_duplicates()
    news = pd.read_csv(data / "ag_news" / "lst_test.csv", names=["text", "label"])["text"]
    for name, texts in {"reviews": reviews[:REVIEWS], "pile": sentences, "news": news}.items():
        texts[:PILE].to_frame("text").to_csv(own / f"{name}.csv", index=False)
    custrev(data)[0][:PRODUCTS].to_csv(own / "products.csv", index=False)


def run(name: str, args: argparse.Namespace) -> None:
    """The study of an ablation, or its plan."""
    data, texts, options = STUDIES[name]
    own = args.work / data
    given = {option: [own / f"{file}.csv"] for option, file in texts.items()} | options | COMMON
    given |= {"test": own / "test.csv", "valid_share": VALID / (LABELS[data] + VALID)}
    out, how = args.work / name, {"ablation": name, "dry_run": args.dry_run}
    steep.compare(own / "train.csv", args.model, out=out, **given, **how)


def main() -> None:
    """Run what is not there yet, or show what is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=[*STUDIES], choices=[*STUDIES])
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if not args.table and not (args.work / "polarity" / "products.csv").is_file():
        write(args.data, args.work)
    for name in args.only:
        verdict = args.work / name / "verdict.json"
        if args.table and verdict.is_file():
            print(paper_table(read_json(verdict), read_ablation(name)).markdown, end="\n\n")
        elif not args.table and not verdict.is_file():
            run(name, args)


if __name__ == "__main__":
    main()
