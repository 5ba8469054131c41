"""Does step 2 change unintended bias, and do weights or balance? Civil Comments, out of fold.

    python -m benchmarks.bias --data FOLDER --model DIR --work FOLDER
    python -m benchmarks.bias --data FOLDER --work FOLDER --table
    python -m benchmarks.bias --speed

FOLDER holds `civil_comments_toxic_spans`, `identity_bias` and `general_text`, as their authors
published them. Labels are shares of raters, groups are mentioned by words (bias_terms.toml). Every
comment is scored by fits that did not see it: five folds, copies in one. Per seed and fold there is
one step 2, and a fit of each arm: base, adapted, weighted (adapted, kernel weights) and balanced
(adapted, sentences of general text as harmless). The scores of each fit are a file in --work, kept
as it ends; the same command resumes. The fits of fold 0 also score HateCheck and a sample of the
identity templates. `--rows` takes a part of the comments, for a trial; `--seeds`, `--folds` and
`--epochs` make it shorter.

`--table` adds the figures as a line to `results/bias.jsonl`, and prints them. `--speed` times the
intervals: 100,000 rows, nine groups, 1,000 resamples, two arms.
"""

import argparse
import json
import lzma
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

import steep
from steep.args import FitArgs, MachineArgs
from steep.args.table import TableArgs
from steep.data.load import read_table
from steep.metrics.weighted import Draws
from steep.models.trained import load_trained_model
from steep.openings import IdentityArgs, MitigationArgs
from steep.options import change, make
from steep.shelf.bias import told
from steep.shelf.bias.findings import Scored, findings
from steep.shelf.bias.folds import Folds, fold_outputs, folds_of
from steep.shelf.bias.made_texts import LABEL, TEMPLATE, TEXT, hatecheck_findings, read_cases
from steep.shelf.bias.measures import Sample
from steep.shelf.bias.mentions import pattern_of, read_identities, read_terms
from steep.shelf.bias.mitigate import Mitigation
from steep.stages.fit import fit

HERE = Path(__file__).parent
RESULTS, TERMS = HERE / "results" / "bias.jsonl", HERE / "bias_terms.toml"
ARMS = {
    "base": MitigationArgs(),
    "adapted": MitigationArgs(),
    "weighted": MitigationArgs(bias_weights="kernel"),
    "balanced": MitigationArgs(),
}
ADAPT: dict[str, Any] = {"epochs": 1, "max_length": 128}
FIT: dict[str, Any] = {"max_length": 96, "keep_epoch": "last"}
FURTHER = ("hatecheck", "templates")
TEMPLATES = 1000  # rows of the templates that mention a group, and that do not
PILE = 20_000  # sentences of general text, at most
SENTENCE, WORD = re.compile(r"(?<=[.!?])\s+"), re.compile(r"\w+")
LONGEST = 1620  # characters of a sentence of the pile
ASKED = IdentityArgs(terms=TERMS, positive="toxicity")
Line = dict[str, Any]


def comments(data: Path, rows: int | None) -> pd.DataFrame:
    """Civil Comments with the share of raters who did not call a comment 'not toxic'."""
    own = data / "civil_comments_toxic_spans"
    votes = pd.read_csv(own / "annotations.csv.gz")
    shares = (~votes["not toxic"].astype(bool)).groupby(votes["comment_id"]).mean()
    table = pd.read_csv(own / "comments.csv.gz").rename(columns={"comment_text": "text"})
    table = table.merge(shares.rename("toxicity").round(4), on="comment_id")
    table = table.rename(columns={"comment_id": "id"}).dropna(subset=["text"])
    return table if rows is None else table.sample(rows, random_state=0).sort_index()


def pile(data: Path) -> pd.DataFrame:
    """Sentences of general text that mention a group: assumed harmless."""
    terms = [word for group in read_terms(TERMS).groups.values() for word in group]
    pattern, firsts = pattern_of(terms), {WORD.findall(term)[0] for term in terms}
    found: list[str] = []
    with lzma.open(data / "general_text" / "general.jsonl.xz", "rt", encoding="utf-8") as lines:
        for line in lines:
            for sentence in SENTENCE.split(json.loads(line)["text"]):
                known = not firsts.isdisjoint(WORD.findall(sentence.lower()))  # quick, if rough
                if known and len(sentence) <= LONGEST and pattern.search(sentence):
                    found.append(sentence)
            if len(found) >= PILE:
                break
    return pd.DataFrame({"text": found})


def templates(data: Path) -> pd.DataFrame:
    """A sample of the sentence templates; those that differ in the group alone share a `frame`."""
    path = data / "identity_bias" / "en_sentence_templates.csv.gz"
    table = pd.read_csv(path).rename(columns={"phrase": "text"})
    words = read_terms(TERMS).groups.values()
    pattern = pattern_of([word for group in words for word in group])
    table["frame"] = [pattern.sub("_", text) for text in table["text"]]
    table["toxic"] = (table["toxicity"] == "toxic").astype(int)
    mention = np.array([pattern.search(text) is not None for text in table["text"]])
    rest = table[~mention].sample(TEMPLATES, random_state=0)
    told = table[mention].sample(TEMPLATES, random_state=0)
    return pd.concat([told, rest])[["text", "toxic", "frame"]].reset_index(drop=True)


@dataclass(frozen=True)
class Plan:
    """What is run: on which rows, from which checkpoint, into which folder."""

    data: Path
    model: str
    work: Path
    folds: Folds
    args: FitArgs

    def scores(self, arm: str, seed: int, what: str) -> Path:
        """The file of the scores of an arm, for a fold (its number) or a further set."""
        return self.work / "scores" / f"{arm}-seed{seed}-{what}.csv"


def prepared(args: argparse.Namespace) -> Plan:
    """The comments in folds; they are kept in `work`, for the next call."""
    data, work = args.data, args.work
    work.mkdir(parents=True, exist_ok=True)
    path = work / "comments.csv"
    if not path.is_file():
        comments(data, args.rows).to_csv(path, index=False)
    if not (work / "pile.csv").is_file():
        pile(data).to_csv(work / "pile.csv", index=False)
    table = change(TableArgs(), {"label": "toxicity", "soft": True})
    corpus = read_table(path, table)
    given = {"model": args.model, "epochs": args.epochs, "label": "toxicity", "soft": True}
    fitting = make(FitArgs, **given, **FIT)
    return Plan(data, args.model, work, folds_of(corpus, table, args.folds, 0), fitting)


def run(plan: Plan, seed: int, fold: int) -> None:
    """One step 2, and the fits that are not there yet."""
    left = [arm for arm in ARMS if not plan.scores(arm, seed, str(fold)).is_file()]
    if not left:
        return
    data = plan.folds.data(fold)
    identities = read_identities(plan.work / "comments.csv", ASKED, "toxicity", "auto")
    with TemporaryDirectory(dir=plan.work) as folder:
        adapted = Path(folder) / "adapted"
        steep.adapt(data, plan.model, out=adapted, seed=seed, **ADAPT)
        for arm in left:
            how = ARMS[arm]
            if arm == "balanced":
                how = MitigationArgs(balance=plan.work / "pile.csv")
            given = Mitigation(identities, ASKED, how, "toxicity").applied(data, seed)
            args = change(plan.args, {"seed": seed})
            if arm != "base":
                args = change(args, {"model": str(adapted), "base": plan.model})
            out = fit(given, out=Path(folder) / f"fit-{arm}", args=args)
            if fold == 0:
                for what in FURTHER:
                    keep(plan.scores(arm, seed, what), further(plan, out, what))
            keep(plan.scores(arm, seed, str(fold)), fold_outputs(out, data)[:, 1])


def further(plan: Plan, model: Path, what: str) -> np.ndarray:
    """The scores of a model for HateCheck or the templates."""
    trained = load_trained_model(model)
    frame = cases(plan.data).frame if what == "hatecheck" else templates(plan.data)
    named = change(TableArgs(), {"text": TEXT if what == "hatecheck" else "text"})
    return trained.predict(read_table(frame, named), 64, MachineArgs())[:, 1]


def keep(path: Path, scores: np.ndarray) -> None:
    """Write scores, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    np.savetxt(partial, scores, "%.6f")
    partial.rename(path)


def cases(data: Path) -> Any:
    """HateCheck's cases."""
    return read_cases(data / "identity_bias" / "hatecheck_test_suite_cases.csv")


def gathered(plan: Plan, seeds: int, what: str | None) -> list[Scored]:
    """The scores of every arm: of the comments, out of fold, or of a further set."""
    count = int(plan.folds.places.max()) + 1
    arms = []
    for arm in ARMS:
        every = []
        for seed in range(seeds):
            if what is not None:
                every.append(np.loadtxt(plan.scores(arm, seed, what)))
                continue
            one = np.zeros(len(plan.folds.places))
            for fold in range(count):
                one[plan.folds.places == fold] = np.loadtxt(plan.scores(arm, seed, str(fold)))
            every.append(one)
        scores = np.stack(every)
        arms.append(Scored(arm, scores, scores >= 0.5))
    return arms


def figures(plan: Plan, seeds: int) -> dict[str, Any]:
    """The findings on the comments, HateCheck and the templates."""
    terms, draws = read_terms(TERMS), Draws()
    corpus = plan.folds.corpus
    labels = corpus.targets()[:, 1].astype(float)
    groups = terms.mentions(corpus.whole())
    units = plan.folds.units
    sample = Sample(labels >= 0.5, labels, tuple(terms.groups), groups, units)
    found = {"comments": findings(sample, gathered(plan, seeds, None), draws)}
    found["comments"]["rows"] = len(labels)
    hate, frame = cases(plan.data), templates(plan.data)
    for what, table, label, groups, together in (
        ("hatecheck", hate.frame, LABEL, hate.frame[list(hate.groups)].to_numpy(bool), TEMPLATE),
        ("templates", frame, "toxic", terms.mentions(frame["text"]), "frame"),
    ):
        truth = table[label].to_numpy(float)
        names = hate.groups if what == "hatecheck" else tuple(terms.groups)
        clusters = np.unique(table[together].astype(str), return_inverse=True)[1]
        own = Sample(truth >= 0.5, truth, names, groups, clusters)
        arms = gathered(plan, seeds, what)
        found[what] = findings(own, arms, draws) | {"rows": len(truth)}
        if what == "hatecheck":
            found["functions"] = {
                arm.name: hatecheck_findings(hate, own, arm, draws) for arm in arms
            }
    return found


def table(found: dict[str, Any]) -> Iterator[str]:
    """The figures in Markdown: every arm's groups and means, the changes, HateCheck's functions."""
    for what in ("comments", *FURTHER):
        one = found[what]
        yield f"\n{what}\n"
        yield "| group | harmful / harmless | arm | subgroup | BPSN | BNSP |"
        yield "|---|---|---|---|---|---|"
        for group in one["groups"]:
            for arm in one["arms"]:
                own = arm["by_group"].get(group["name"])
                shown = (
                    [told.cell(metric) for metric in list(own.values())[:3]]
                    if own
                    else ["too few"] * 3
                )
                counts = f"{group['positives']:,} / {group['negatives']:,}"
                yield f"| {group['name']} | {counts} | {arm['name']} | {' | '.join(shown)} |"
        for arm in one["arms"]:
            means = " | ".join(told.cell(mean) for mean in arm["means"].values())
            yield f"| mean | | {arm['name']} | {means} |"
        yield ""
        for arm in one["arms"]:
            auc = told.cell(arm["overall"]["subgroup_auc"])
            yield f"{arm['name']}: AUC {auc}. {told.headline(one, arm)[1]}"
        for difference in one["differences"]:
            yield told.change(one, difference)[1]
            means = ", ".join(
                f"{n} {told.cell(m, sign=True)}" for n, m in difference["means"].items()
            )
            yield f"  means: {means}"
        yield from told.small(one)


def speed() -> None:
    """Time the intervals of two arms."""
    draw = np.random.default_rng(0)
    rows = 100_000
    truth, groups = draw.random(rows) < 0.1, draw.random((rows, 9)) < 0.05
    scores = [draw.normal(size=(1, rows)) + truth for _ in range(2)]
    sample = Sample(truth, truth.astype(float), tuple("abcdefghi"), groups)
    arms = [Scored(str(i), one, one > 1) for i, one in enumerate(scores)]
    for count in (1, 2):
        started = time.monotonic()
        findings(sample, arms[:count], Draws(1000))
        print(f"{count} arms: {time.monotonic() - started:.1f} s")


def main() -> None:
    """Run what is not there yet, or show what is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default="")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.speed:
        speed()
        return
    plan = prepared(args)
    if not args.table:
        for seed in range(args.seeds):
            for fold in range(args.folds):
                run(plan, seed, fold)
        return
    found = figures(plan, args.seeds)
    own = {"seeds": args.seeds, "folds": args.folds, "epochs": args.epochs}
    with args.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(own | found) + "\n")
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
