"""Does step 2 pay from a general start, with few labels? Reviews, news, mail, questions, science.

    python -m benchmarks.general_start --data FOLDER --general DIR --other DIR --work FOLDER

FOLDER holds the sets of `CASES`, as their authors published them. For each: one step 2 from the
checkpoint --general (a masked-LM head of its own, trained on general text alone) over text of the
domain; a study of `steep compare` with five seeds; and as many default fits of the best other start
at hand (--other) on the same labels. Nothing is chosen by what comes out. The test rows are read by
nothing else; those by which the defaults were chosen (`benchmarks.defaults`) are left out. All of
it stays in --work, and the same command resumes. `--table` prints what is there.
"""

import argparse
import json
import lzma
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

import steep
from benchmarks import sets
from benchmarks.samples import TEST, ag_news, chemprot, halves, newsgroups, polarity
from steep import runs
from steep.stages.demo import unpack

SEEDS, ROWS = 5, 2000
DRAW, TEST_DRAW = 7, 8
RATE = 3e-4  # of step 2: the peak rate by which the general start was trained
REVIEWS, WORDS = 33_000, 1_500_000  # ten and about two and a half million tokens


@dataclass(frozen=True)
class Case:
    """A labelled set, text of its domain, passes over it, labels used, and how texts are cut."""

    read: Callable[[Path], sets.Parts]
    text: Callable[[Path], pd.DataFrame]
    passes: int
    labels: int
    cut: dict[str, Any]

    def write(self, data: Path, out: Path) -> None:
        """train.csv and test.csv of 2,000 rows each at most, and the unlabelled text."""
        out.mkdir(parents=True, exist_ok=True)
        train, test = self.read(data)
        train.sample(ROWS, random_state=DRAW).to_csv(out / "train.csv", index=False)
        test = test.sample(min(ROWS, len(test)), random_state=TEST_DRAW)
        test.to_csv(out / "test.csv", index=False)
        self.text(data).to_json(out / "text.jsonl", orient="records", lines=True)


def reviews(data: Path) -> pd.DataFrame:
    """Unlabelled reviews of films (Maas et al. 2011)."""
    table = pd.read_json(data / "imdb" / "unsup.jsonl.gz", lines=True)
    return table[["text"]].sample(REVIEWS, random_state=DRAW)


def articles(data: Path) -> pd.DataFrame:
    """Articles on biology and medicine: those of the scientific text that are not on language."""
    with lzma.open(data / "science_text" / "science.jsonl.xz", "rt", encoding="utf-8") as lines:
        found = [one for one in map(json.loads, lines) if "acl" not in one["source"]]
    random.Random(DRAW).shuffle(found)
    total = np.cumsum([len(one["text"].split()) for one in found])
    return pd.DataFrame(found)[["text"]][: int((total <= WORDS).sum()) + 1]


def imdb(data: Path) -> sets.Parts:
    """Reviews of films, two classes, by name."""
    names = {0: "negative", 1: "positive"}
    train, test = (part.assign(label=part["label"].map(names)) for part in sets.imdb(data))
    return train, test


def sentences(data: Path) -> sets.Parts:
    """Sentences of film reviews, two classes, but for those that chose the defaults."""
    train, test = polarity(data)
    return train, test.drop(test.sample(TEST, random_state=0).index)


def whole_reviews(data: Path) -> pd.DataFrame:
    """The 2,000 film reviews that come with Steep."""
    with TemporaryDirectory() as folder:
        text = unpack(Path(folder)).unlabelled.read_text(encoding="utf-8")
    return pd.DataFrame({"text": text.split("\n\n")})


def mail(data: Path) -> sets.Parts:
    """Mail to 20 newsgroups, but for those that chose the defaults."""
    train, test = newsgroups(data)
    return train, test.drop(test.sample(TEST, random_state=0).index)


def questions(data: Path) -> sets.Parts:
    """Questions, six classes: TREC's training part, in halves; its test part chose the defaults."""
    return halves(sets.trec(data)[0])


SHORT = {"max_length": 64}
CASES = {
    "imdb": Case(imdb, reviews, 1, 100, {"max_length": 128, "truncation": "head+tail"}),
    "films": Case(sentences, whole_reviews, 1, 300, SHORT),
    "trec": Case(questions, lambda data: questions(data)[0][["text"]], 20, 100, SHORT),
    "ag_news": Case(ag_news, lambda data: ag_news(data)[0][["text"]], 4, 100, SHORT),
    "newsgroups": Case(mail, lambda data: mail(data)[0][["text"]], 1, 300, {"max_length": 128}),
    "chemprot": Case(chemprot, articles, 1, 300, {"max_length": 128}),
}


def run(case: Case, args: argparse.Namespace, folder: Path) -> None:
    """What of a case is not there yet."""
    if not (folder / "text.jsonl").is_file():
        case.write(args.data, folder)
    train, test = folder / "train.csv", folder / "test.csv"
    adapted, study = folder / "adapted", folder / "study"
    if not adapted.is_dir():
        steep.adapt(
            *([train, folder / "text.jsonl"], args.general),
            **{"out": adapted, "label": "label", "test": test, "learning_rate": RATE},
            **{"epochs": case.passes, "probe": True, "heldout_share": 0.01},
        )
    if not (study / "verdict.json").is_file():
        steep.compare(
            *(train, adapted),
            **{"out": study, "base": args.general, "label": "label", "test": test},
            **{"arms": "tfidf,base,adapted", "label_budgets": [case.labels], "seeds": SEEDS},
            **case.cut,
        )
    for seed in range(SEEDS):
        out = folder / f"other-{seed}"
        if not out.is_dir():
            given = {"label": "label", "test": test, "label_budget": case.labels, "seed": seed}
            steep.fit(train, args.other, out=out, **given, **case.cut)


def table(name: str, folder: Path) -> Iterator[str]:
    """The verdict; and the accuracy of each arm and of the other start: the mean, and each seed."""
    verdict = json.loads((folder / "study" / "verdict.json").read_text(encoding="utf-8"))
    others = [
        json.loads((folder / f"other-{seed}" / runs.RESULTS).read_text(encoding="utf-8"))
        for seed in range(SEEDS)
    ]
    arms = {arm: found["values"] for arm, found in verdict["arms"].items()}
    arms["other"] = [one["test"]["metrics"]["accuracy"]["value"] for one in others]
    yield f"{name}: {verdict['sentence']}"
    for arm, values in arms.items():
        yield f"  {arm}: {np.mean(values):.3f} ({', '.join(f'{v:.3f}' for v in values)})"


def main() -> None:
    """Run what is asked for, or show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--general", help="a checkpoint with a masked-LM head, of general text")
    parser.add_argument("--other", help="the best other start at hand")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=[*CASES], choices=[*CASES])
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    for name in args.sets:
        if args.table:
            print("\n".join(table(name, args.work / name)))
        else:
            run(CASES[name], args, args.work / name)


if __name__ == "__main__":
    main()
