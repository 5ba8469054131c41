"""Which tables is text in other languages tried on? German tweets, and Russian sentences.

    python -m benchmarks.languages FOLDER OUT

FOLDER holds the repositories GermEval-2018-Data (Wiegand, Siegel and Ruppenhofer 2018, CC BY 4.0)
and UD_Russian-Taiga (Universal Dependencies, CC BY-SA 4.0), as their authors published them. OUT
gets a table to train on and one to test on of each; the commands to run on them stand in
docs/results.md.
"""

import argparse
from pathlib import Path

import pandas as pd

TWEETS, SENTENCES = (700, 400), 300  # of training and test tweets; of test sentences


def german(folder: Path) -> list[pd.DataFrame]:
    """Tweets, offensive or not: the first ones of either part."""
    tables = []
    for part, rows in zip(("training", "test"), TWEETS, strict=True):
        path = folder / "GermEval-2018-Data" / f"germeval2018.{part}.txt"
        names = ["text", "label", "kind"]
        tables.append(pd.read_csv(path, sep="\t", names=names, quoting=3, nrows=rows))
    return tables


def russian(folder: Path) -> list[pd.DataFrame]:
    """Sentences, and the genre of their text; without news, of which there are eight."""
    rows = []
    for part in ("dev", "test"):
        path = folder / "UD_Russian-Taiga" / f"ru_taiga-ud-{part}.conllu"
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("# genre = "):
                genre = line.removeprefix("# genre = ")
            elif line.startswith("# text = ") and genre != "news":
                rows.append((line.removeprefix("# text = "), genre))
    drawn = pd.DataFrame(rows, columns=["text", "label"]).sample(frac=1.0, random_state=0)
    return [drawn[SENTENCES:], drawn[:SENTENCES]]


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    for name, read in {"german": german, "russian": russian}.items():
        (args.out / name).mkdir(parents=True, exist_ok=True)
        for part, table in zip(("train", "test"), read(args.folder), strict=True):
            table.to_csv(args.out / name / f"{part}.csv", index=False)


if __name__ == "__main__":
    main()
