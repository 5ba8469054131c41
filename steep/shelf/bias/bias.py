"""steep bias: who pays for a classifier's mistakes, among the groups that texts mention?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steep import outputs, runs
from steep.args.table import TableArgs
from steep.console import say, tell
from steep.data.corpus import Corpus, corpus_of
from steep.data.duplicates import row_hashes
from steep.data.groups import group_notes
from steep.data.load import read_table
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.weighted import Draws as Plain
from steep.models.trained import Trained, load_trained_model
from steep.options import change
from steep.places import find_place, inputs_of
from steep.shelf.bias import BiasArgs
from steep.shelf.bias.findings import OF_GROUP, Scored, findings
from steep.shelf.bias.hatecheck import COLUMNS, LABEL, TEMPLATE, TEXT, Cases, read_cases
from steep.shelf.bias.hatecheck import hatecheck_findings as of_cases
from steep.shelf.bias.identities import UNKNOWN, Identities, labels_of, read_identities
from steep.shelf.bias.resamples import Draws, Sample
from steep.shelf.bias.scored import arms_of_models, chosen, output_of
from steep.shelf.bias.sentences import lines_of
from steep.shelf.bias.swaps import swap_findings, swapped
from steep.shelf.bias.terms import Terms, read_terms
from steep.stages.predict import table_for
from steep.wording import counted, some

Found = dict[str, Any]


def bias(
    models: str | Path | Sequence[str | Path], source: Source, *, out: Path | None, args: BiasArgs
) -> Found:
    """What one model or two, or a study, do to the groups that rows of `source` mention.

    Printed, and returned as plain JSON; with `out` a run folder with a report. Of a study it is
    kept in its folder, for its report. Raises SteepError for whatever is wrong.
    """
    given = [Path(one) for one in ([models] if isinstance(models, str | Path) else models)]
    if not 1 <= len(given) <= 2:
        raise SteepError(f"Name one model, or two to compare them, not {len(given)}.")
    if out is not None:
        find_place(out, "folder", args.output.overwrite, inputs_of(args, *given, source))
    if args.bias.swap:
        swap_terms(args)
    cases = read_cases(source) if args.bias.hatecheck else None
    if cases is not None:
        source, args = cases.frame, _for_cases(args, cases)
    if (given[0] / runs.STUDY).is_file():
        from steep.shelf.bias.studies import bias_of_study

        return bias_of_study(given[0], source, args)
    if args.bias.folds:
        from steep.shelf.bias.folds import out_of_fold

        return finished(out_of_fold(given, source, out, args), given, out, args)
    trained = [load_trained_model(folder) for folder in given]
    rows = read_rows(source, table_for(trained[0], args.columns), trained, args)
    arms = arms_of_models(trained, rows.corpus, args, rows.label)
    rows = replace(
        rows, notes=(*rows.notes, *(n for one in trained for n in seen(one, rows.corpus)))
    )
    return finished(examined(rows, arms, args, trained, cases), given, out, args)


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that are examined, with what is known of them; `notes` say what was left out."""

    corpus: Corpus
    sample: Sample
    label: str
    notes: tuple[str, ...]

    def take(self, corpus: Corpus) -> "Rows":
        """Those of `corpus`, a part of the rows, in its order."""
        places = {row: place for place, row in enumerate(self.corpus.rows())}
        at = np.array([places[row] for row in corpus.rows()], np.int64)
        own = self.sample
        clusters = None if own.clusters is None else own.clusters[at]
        if clusters is not None:
            clusters = np.unique(clusters, return_inverse=True)[1]
        sample = Sample(own.truth[at], own.labels[at], own.names, own.groups[at], clusters)
        return Rows(corpus, sample, self.label, self.notes)


def read_rows(source: Source, table: TableArgs, trained: Sequence[Trained], args: BiasArgs) -> Rows:
    """The rows of a table that somebody knows the groups of; SteepError if there are none."""
    label = args.target.label or table.target.label or trained[0].table.target.label
    if args.identity.positive in (label or "").split(","):
        label = args.identity.positive  # one of several columns
    if label is None or "," in label:
        raise SteepError(f"{source}: name the column that says what is harmful with --label.")
    unit = table.columns.unit
    identities = read_identities(source, args.identity, label, unit)
    group = args.groups.group
    plain = change(table, {"label": None, "group": group, "sample_weight": None})
    corpus = read_table(source, plain)
    task = trained[0].task
    harmful = task.labels[output_of(task, args.identity.positive, label)]
    labels = labels_of(source, label, corpus, unit, harmful, task.labels)
    notes = [*corpus.notes, *identities.notes, *group_notes({"test": corpus}, group, 0)]
    return _rows(corpus, labels, identities, label, notes, args.identity.label_threshold)


def _rows(
    corpus: Corpus,
    labels: np.ndarray,
    identities: Identities,
    label: str,
    notes: Sequence[str],
    threshold: float,
) -> Rows:
    flags = identities.of(corpus)
    kept = np.flatnonzero((flags != UNKNOWN).all(axis=1))
    if not len(kept):
        raise SteepError(f"{corpus.source}: of no row is it known which group it mentions.")
    corpus, labels, groups = corpus.take(kept), labels[kept], flags[kept] == 1
    truth = labels >= threshold
    if truth.all() or not truth.any():
        what = "no" if not truth.any() else "every"
        raise SteepError(
            f"{corpus.source}, column '{label}': {what} row reaches {threshold:g}, so nothing can "
            "be told apart. See --positive and --label-threshold."
        )
    if not groups.any():
        raise SteepError(
            f"{corpus.source}: no row mentions any of {some(identities.names)}. See "
            "--identity-threshold, or the words of --terms."
        )
    sample = Sample(truth, labels, identities.names, groups, corpus.group_codes())
    return Rows(corpus, sample, label, tuple(notes))


def examined(
    rows: Rows,
    arms: Sequence[Scored],
    args: BiasArgs,
    trained: Sequence[Trained] = (),
    cases: Cases | None = None,
) -> Found:
    """All that is found of these scores, with what else was asked for."""
    sample, draws = rows.sample, Draws(args.intervals.resamples, args.seed.seed)
    for note in rows.notes:
        say(note)
    found = {
        "file": rows.corpus.source,
        "label": rows.label,
        "rows": len(rows.corpus),
        "positives": int(sample.truth.sum()),
        "clusters": None if sample.clusters is None else int(sample.clusters.max()) + 1,
        "label_threshold": args.identity.label_threshold,
        "identity_threshold": None if args.identity.terms else args.identity.identity_threshold,
        "seeds": len(arms[0].scores),
        "notes": list(rows.notes),
    }
    found |= findings(sample, arms, draws)
    found["swaps"] = _swaps(rows, arms, args, trained) if args.bias.swap else None
    found["hatecheck"] = None
    if cases is not None:
        of = {
            arm.name: of_cases(cases, sample, arm.scores[0], arm.decided[0], draws) for arm in arms
        }
        found["hatecheck"] = of
    return found


def _swaps(rows: Rows, arms: Sequence[Scored], args: BiasArgs, trained: Sequence[Trained]) -> Found:
    """What swapped terms do to the score of each model."""
    if rows.corpus.has_pairs:
        raise SteepError("swap: needs models that read single texts, not pairs.")
    made = swapped(rows.corpus.whole(), swap_terms(args))
    if not made.texts:
        raise SteepError(f"{rows.corpus.source}: no text mentions one group of [swap.NAME] alone.")
    plain, found = Plain(args.intervals.resamples, args.seed.seed), {}
    for arm, model in zip(arms, trained, strict=True):
        at = output_of(model.task, args.identity.positive, rows.label)

        def predict(
            texts: list[str], model: Trained = model, at: int = at
        ) -> tuple[np.ndarray, np.ndarray]:
            given = model.predict(corpus_of(texts, False), args.batch.size, args.machine)
            return chosen(model.task, given, at, args.identity.label_threshold)

        own = (arm.scores[0], arm.decided[0])
        found[arm.name] = swap_findings(made, rows.sample, own, predict, plain)
    return found


def swap_terms(args: BiasArgs) -> Terms:
    """The terms that are swapped; SteepError where there are none."""
    if args.identity.terms is None or args.bias.folds:
        raise SteepError(
            "swap: needs words, with --terms FILE.toml, and fitted models, without --folds."
        )
    terms = read_terms(args.identity.terms)
    if not terms.axes:
        raise SteepError(f"{args.identity.terms}: to swap terms, it needs a table [swap.NAME].")
    return terms


def finished(found: Found, models: Sequence[Path], out: Path | None, args: BiasArgs) -> Found:
    """Write what was found, and say it."""
    for line in lines_of(found):
        tell(line)
    if args.bias.card:
        from steep.shelf.bias.card import into_card

        into_card(models[0], found)
    if out is None:
        return found
    with outputs.writing(out, "bias", args, args.output.overwrite) as run:
        files: list[Found] = [{"name": str(model)} for model in models[1:]]  # to do it again
        files.append({"name": found["file"], "rows": found["rows"], "fingerprint": ""})
        run.record(base=str(models[0]), data={"files": files}, notes=found["notes"])
        shown = {"model": str(models[0]), "models": [str(model) for model in models]}
        runs.write_json(run.folder / runs.RESULTS, shown | found)
        runs.write_csv(run.folder / runs.GROUPS, group_lines(found))
    from steep.reports.page import write_report
    from steep.shelf.bias.bias_page import BIAS_PAGE

    say(f"page: {write_report(out, pages={'bias': BIAS_PAGE})}")
    return found


def group_lines(found: Found) -> list[dict[str, Any]]:
    """A line for each arm and group: counts, and every metric with its interval."""
    lines = []
    for arm in found["arms"]:
        for group in found["groups"]:
            own = arm["by_group"].get(group["name"], {})
            line = {"arm": arm["name"]} | group
            for name in OF_GROUP:
                for key in ("value", "low", "high"):
                    number = own[name][key] if own else None
                    line[f"{name}_{key}"] = "" if number is None else f"{number:.6f}"
            lines.append(line)
    return lines


def seen(trained: Trained, corpus: Corpus) -> list[str]:
    """What of these rows the model was trained on."""
    known = int(np.isin(row_hashes(corpus), runs.read_hashes(trained.folder)).sum())
    if not known:
        return []
    rows = counted(known, "row")
    return [f"{trained.folder.name} was trained on {rows} of these: its scores on them are better"]


def _for_cases(args: BiasArgs, cases: Cases) -> BiasArgs:
    """The options that read HateCheck's table."""
    if args.identity.identities or args.identity.terms or args.bias.folds:
        raise SteepError(
            f"hatecheck: its groups are those of the column {COLUMNS[4]}. Leave --identities, "
            "--terms and --folds out."
        )
    own = {"text": TEXT, "label": LABEL, "group": TEMPLATE, "identities": ",".join(cases.groups)}
    return change(args, own)
