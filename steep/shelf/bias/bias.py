"""steep bias: who pays for a classifier's mistakes, among the groups that texts mention?"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steep import outputs, runs
from steep.args.kept import kept_options
from steep.args.training import ModelArgs
from steep.console import say, tell
from steep.data.corpus import Corpus, Task, corpus_of
from steep.data.duplicates import row_hashes
from steep.data.groups import group_notes
from steep.data.load import read_table
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.calibration import decide
from steep.metrics.weighted import Draws
from steep.models.trained import Trained, load_trained_model
from steep.options import change
from steep.places import find_place, inputs_of
from steep.reports.page import write_report
from steep.shelf.bias import BiasArgs, made_texts
from steep.shelf.bias.bias_page import BIAS_PAGE
from steep.shelf.bias.findings import Found, Scored, findings
from steep.shelf.bias.measures import OF_GROUP, Sample
from steep.shelf.bias.mentions import UNKNOWN, Terms, labels_of, output_of, read_identities
from steep.shelf.bias.told import ABSENCE, groups_table, headline, lines_of, small
from steep.stages.fit import amend
from steep.stages.predict import table_for
from steep.wording import counted, some, twice


def bias(
    models: str | Path | Sequence[str | Path], source: Source, *, out: Path | None, args: BiasArgs
) -> Found:
    """What one model or two, or a study, do to the groups that rows of `source` mention.

    Printed, and returned as plain JSON; with `out` a run folder with a report. Of a study it is
    kept in its folder, for its report. Raises SteepError for whatever is wrong.
    """
    started = time.monotonic()
    given = [Path(one) for one in ([models] if isinstance(models, str | Path) else models)]
    if not 1 <= len(given) <= 2:
        raise SteepError(f"Name one model, or two to compare them, not {len(given)}.")
    if out is not None:
        find_place(out, "folder", args.output.overwrite, inputs_of(args, *given, source))
    terms = made_texts.swap_terms(args) if args.bias.swap else None
    cases = made_texts.read_cases(source) if args.bias.hatecheck else None
    table, how = source, args  # what is read, and how; what was given is told
    if cases is not None:
        table, how = cases.frame, made_texts.options_for(cases, args)
    if (given[0] / runs.STUDY).is_file():
        from steep.shelf.bias.studies import bias_of_study

        return bias_of_study(given[0], table, how)
    if args.bias.card:
        _check_card(given[0], args)
    if args.bias.folds:
        from steep.shelf.bias.folds import out_of_fold

        found = out_of_fold(named(given), source, out, args)
    else:
        found = _by_models(named(given), table, how, terms, cases)
    if cases is not None and isinstance(source, str | Path):
        found["file"] = str(source)
    return _finished(found, given, out, args, started)


def _check_card(model: Path, args: BiasArgs) -> None:
    """Raises SteepError where there will be no card to write to: better now than in the end."""
    if args.bias.folds:
        raise SteepError("card: a checkpoint that is fitted for --folds has no card. Leave it out.")
    runs.read_manifest(model, "fit")


def _by_models(
    models: dict[str, Path],
    source: Source,
    args: BiasArgs,
    terms: Terms | None,
    cases: made_texts.Cases | None,
) -> Found:
    """What trained models do to the rows of `source`, to swaps of `terms`, in HateCheck's cases."""
    trained = {name: load_trained_model(folder) for name, folder in models.items()}
    corpus = corpus_for(source, [*trained.values()][0], args)
    rows = read_rows(source, corpus, [*trained.values()][0], args)
    rows.notes.extend(note for name, model in trained.items() for note in _seen(name, model, rows))
    arms = [_scored(name, model, rows.corpus, rows, args) for name, model in trained.items()]
    found, draws = examined(rows, arms, args), Draws(args.intervals.resamples, args.seed.seed)
    if terms is not None:
        found["swaps"] = _swaps(rows, terms, trained, arms, args)
    if cases is not None:
        found["hatecheck"] = {
            arm.name: made_texts.hatecheck_findings(cases, rows.sample, arm, draws) for arm in arms
        }
    return found


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that are examined, with what is known of them; `notes` say what was left out."""

    corpus: Corpus
    sample: Sample
    label: str
    notes: list[str]


def corpus_for(source: Source, model: Trained, args: BiasArgs) -> Corpus:
    """The texts of a table as `model` reads them, without labels."""
    return read_table(source, change(table_for(model, args.columns), {"group": args.groups.group}))


def read_rows(source: Source, corpus: Corpus, model: Trained, args: BiasArgs) -> Rows:
    """Rows of `source`, those of `corpus`, of which somebody knows the groups.

    Raises SteepError where there are none, or nothing can be told apart.
    """
    asked, unit = args.identity, args.columns.unit
    label = args.target.label or model.table.target.label
    if asked.positive in (label or "").split(","):
        label = asked.positive  # one of several columns
    if label is None or "," in label:
        raise SteepError(f"{corpus.source}: name the column that says what is harmful: --label.")
    identities, task = read_identities(source, asked, label, unit), model.task
    harmful = task.labels[output_of(task, asked.positive, label)]
    labels = labels_of(source, label, corpus, unit, harmful, task.labels)
    notes = [*corpus.notes, *identities.notes, *group_notes({"test": corpus}, args.groups.group, 0)]
    flags = identities.of(corpus)
    kept = np.flatnonzero((flags != UNKNOWN).all(axis=1))
    corpus, labels, groups = corpus.take(kept), labels[kept], flags[kept] == 1
    truth, where = labels >= asked.label_threshold, corpus.source
    if not len(kept):
        raise SteepError(f"{where}: of no row is it known which group it mentions.")
    if truth.all() or not truth.any():
        raise SteepError(
            f"{where}, column '{label}': {'every' if truth.all() else 'no'} row reaches "
            f"{asked.label_threshold:g}, so nothing can be told apart. See --positive and "
            "--label-threshold."
        )
    if not groups.any():
        raise SteepError(
            f"{where}: no row mentions any of {some(identities.names)}. See --identity-threshold, "
            "or the words of --terms."
        )
    sample = Sample(truth, labels, identities.names, groups, corpus.group_codes())
    return Rows(corpus, sample, label, notes)


def _seen(name: str, model: Trained, rows: Rows) -> list[str]:
    """What of these rows the model was trained on."""
    known = int(np.isin(row_hashes(rows.corpus), runs.read_hashes(model.folder)).sum())
    told = f"{name} was trained on {counted(known, 'row')} of these: its scores on them are better"
    return [told] if known else []


def named(folders: Sequence[Path]) -> dict[str, Path]:
    """Models by the names of their folders, or where these are equal by their whole paths.

    Raises SteepError where one is named twice.
    """
    names = [folder.resolve().name for folder in folders]
    names = names if len({*names}) == len(names) else [str(folder) for folder in folders]
    if (name := twice(names)) is not None:
        raise SteepError(f"{name} is named twice. Name two models, or one.")
    return dict(zip(names, folders, strict=True))


def scored(
    name: str, task: Task, outputs: Sequence[np.ndarray], rows: Rows, args: BiasArgs
) -> Scored:
    """An arm, of what it predicted with each seed, (n, labels) or (n,).

    It decides by the thresholds of the task, as its predictions do; on a number, by that of labels.
    """
    at, threshold = (
        output_of(task, args.identity.positive, rows.label),
        args.identity.label_threshold,
    )
    columns = [of[:, None] if of.ndim == 1 else of for of in outputs]
    scores = np.stack([of[:, at].astype(np.float64) for of in columns])
    if task.kind == "regression":
        return Scored(name, scores, scores >= threshold)
    decided = np.stack([decide(task, of) for of in columns])
    return Scored(name, scores, decided[..., at] if task.kind == "multi" else decided == at)


def _scored(name: str, model: Trained, corpus: Corpus, rows: Rows, args: BiasArgs) -> Scored:
    outputs = model.predict(corpus, args.batch.size, args.machine)
    return scored(name, model.task, [outputs], rows, args)


def _swaps(
    rows: Rows, terms: Terms, models: dict[str, Trained], arms: list[Scored], args: BiasArgs
) -> Found:
    """What swapped terms do to the score of each model."""
    if rows.corpus.has_pairs:
        raise SteepError("swap: needs models that read single texts, not pairs.")
    made = made_texts.swapped(rows.corpus.whole(), terms)
    if not made.texts:
        raise SteepError(f"{rows.corpus.source}: no text mentions one group of [swap.NAME] alone.")
    texts, draws = corpus_of(made.texts, False), Draws(args.intervals.resamples, args.seed.seed)
    return {
        arm.name: made_texts.swap_findings(
            made, rows.sample, arm, _scored(arm.name, models[arm.name], texts, rows, args), draws
        )
        for arm in arms
    }


def examined(rows: Rows, arms: Sequence[Scored], args: BiasArgs) -> Found:
    """All that is found of these scores, with what was examined."""
    sample = rows.sample
    for note in rows.notes:
        say(note)
    facts = {
        "file": rows.corpus.source,
        "label": rows.label,
        "rows": len(rows.corpus),
        "positives": int(sample.truth.sum()),
        "clusters": None if sample.clusters is None else int(sample.clusters.max()) + 1,
        "label_threshold": args.identity.label_threshold,
        "identity_threshold": None if args.identity.terms else args.identity.identity_threshold,
        "seeds": len(arms[0].scores),
        "notes": rows.notes,
    }
    found = findings(sample, arms, Draws(args.intervals.resamples, args.seed.seed))
    return facts | found | {"swaps": None, "hatecheck": None}


def _finished(
    found: Found, models: Sequence[Path], out: Path | None, args: BiasArgs, started: float
) -> Found:
    """Write what was found since `started`, and say it."""
    for line in lines_of(found):
        tell(line)
    if args.bias.card:
        into_card(models[0], found)
    if out is None:
        return found
    with outputs.writing(out, "bias", args, args.output.overwrite) as run:
        run.earlier = time.monotonic() - started
        files: list[Found] = [{"name": str(model)} for model in models[1:]]  # to do it again
        files.append({"name": found["file"], "rows": found["rows"], "fingerprint": ""})
        run.record(base=str(models[0]), data={"files": files}, notes=found["notes"])
        shown = {"model": str(models[0]), "models": [str(model) for model in models]}
        runs.write_json(run.folder / runs.RESULTS, shown | found)
        runs.write_csv(run.folder / runs.GROUPS, group_lines(found))
    say(f"page: {write_report(out, pages={'bias': BIAS_PAGE})}")
    return found


def group_lines(found: Found) -> list[Found]:
    """A line for each arm and group: counts, and every metric with its interval."""
    lines = []
    for arm in found["arms"]:
        for group in found["groups"]:
            own = arm["by_group"].get(group["name"], {})
            lines.append({"arm": arm["name"]} | group)
            for name in OF_GROUP:
                for key in ("value", "low", "high"):
                    number = own[name][key] if own else None
                    lines[-1][f"{name}_{key}"] = "" if number is None else f"{number:.6f}"
    return lines


def into_card(model: Path, found: Found) -> None:
    """Write the findings about `model`, a folder of `steep fit`, into its results and its card.

    Raises SteepError where it is no such folder, or cannot be written.
    """
    manifest = runs.read_manifest(model, "fit")
    results = runs.read_json(model / runs.RESULTS)
    lead = [headline(found, found["arms"][0])[1], *small(found), ABSENCE]
    results["bias"] = {"lead": " ".join(lead), "table": vars(groups_table(found))}
    start = kept_options(ModelArgs, manifest["args"], str(model / runs.MANIFEST))
    amend(model, model.resolve().name, manifest, results, start)
    say(f"card: {model / runs.CARD}")
