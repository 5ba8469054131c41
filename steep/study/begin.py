"""How does a study begin, or resume? In a new folder, or one that holds the same study.

Which study that is, its inputs say by what they hold, not by where they lie.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from steep import outputs, runs
from steep.args import CompareArgs
from steep.args.chosen import told
from steep.args.training import BaseArgs
from steep.console import say
from steep.data.cache_files import hash_of
from steep.data.corpus import Corpus, Data, Task, describe, fingerprint
from steep.data.files import files_below, what_is_at
from steep.errors import SteepError, unreadable
from steep.metrics.scores import check_metric, defined, primary
from steep.models.checkpoint_files import checkpoint_identity
from steep.options import identity_of, options_of, plain_json
from steep.run_shapes import NOT_VALID, RESUMED_STUDY, STUDY
from steep.runs import FORMAT
from steep.shapes import checked, shown
from steep.stages.fit import leaks
from steep.study.arms import ADAPTED, BASE
from steep.study.cells import kept_cell
from steep.study.costs import planned
from steep.study.design import Design, Study
from steep.study.encoders import check_step2
from steep.wording import counted

TEXTS = ("unlabelled", "in_domain", "cross_domain")


def begin_study(study: Study) -> Study:
    """The study that is to be run: as asked for, or as it was cut to a time limit at the start.

    Makes the study folder, or checks that the one there is of the same study (SteepError if not).
    A new study's plan is said first. One that was given up as not valid makes room for one with
    other options.
    """
    path, overwrite = study.out / runs.STUDY, study.args.output.overwrite
    if path.is_file() and not overwrite:
        if (known := _resumed(study, path)) is not None:
            return known
        overwrite = True
    for note in study.data.notes:
        say(note)
    study = replace(study, design=planned(study))
    if study.args.plan.dry_run:
        return study
    outputs.make(study.out, overwrite)
    with outputs.Explained(study.out):
        runs.write_json(path, _record(study))
        study.data.splits.save(study.out / runs.SPLITS)
    say(f"finished cells are kept in {study.out}")
    return study


def _resumed(study: Study, path: Path) -> Study | None:
    """The study with the design that its study.json knows; SteepError if that is of another.

    None where it is of another, but was given up.
    """
    known = runs.manifest_at(path, STUDY)
    if known.get("format", 1) < FORMAT or "contents" not in known:
        raise SteepError(
            f"{study.out} holds a study of an older version of Steep, which this version cannot "
            "resume: choose another --out, or add --overwrite."
        )
    checked(known, RESUMED_STUDY, path, runs.WRITE_AGAIN)
    given_up = is_given_up(study.out)
    if what := changed(known, study):
        if given_up:
            say(f"{study.out}: the study that is there is not valid yet; it begins anew")
            return None
        raise SteepError(
            f"{study.out} holds a study with other {what}. Repeat its options to resume it, "
            "choose another --out, or add --overwrite."
        )
    study = replace(study, design=_design_of(known, study.design, path))
    check_step2(study)
    for cell in (kept := [cell for cell in study.design.cells if cell.is_kept(study.out)]):
        kept_cell(cell, study.out, study.data.labelled(), study.test.rows())
    if given_up and study.args.study.keep_going and not study.args.plan.dry_run:
        (study.out / runs.VERDICT).unlink()  # from now on, other options do not replace the study
    left = len(study.design.cells) - len(kept)
    cells = f"{counted(left, 'cell')} {'is' if left == 1 else 'are'} left"
    say(f"{study.out}: resuming the study that is there, {cells}")
    return study


def is_given_up(folder: Path) -> bool:
    """Whether the study in `folder` ended as not valid."""
    path = folder / runs.VERDICT
    return path.is_file() and runs.read_shaped(path, {"answer": str})["answer"] == NOT_VALID


def _design_of(known: dict[str, Any], asked: Design, path: Path) -> Design:
    """What is left of the design that was `asked` for, once it was cut to a time limit.

    Raises SteepError where study.json has anything but some of what the options ask for.
    """
    design = replace(
        asked,
        arms=tuple(arm for arm in asked.arms if arm.name in known["arms"]),
        budgets=tuple(budget for budget in asked.budgets if budget in known["budgets"]),
        seeds=tuple(seed for seed in asked.seeds if seed in known["seeds"]),
    )
    for name in ("names", "budgets", "seeds"):
        key, left = "arms" if name == "names" else name, getattr(design, name)
        if not left or len(left) != len(known[key]):
            whole = ", ".join(shown(value) for value in getattr(asked, name))
            raise SteepError(
                f"{path}: the key '{key}' must hold some of these, as the options say: {whole}. "
                f"{runs.WRITE_AGAIN}"
            )
    if not {BASE, ADAPTED} <= {*design.names}:
        raise SteepError(f"{path}: the key 'arms' must hold base and adapted. {runs.WRITE_AGAIN}")
    return design


def _record(study: Study) -> dict[str, Any]:
    """What study.json says of a study that begins."""
    from steep.models.devices import choose

    args, data, design = study.args, study.data, study.design
    machine, base = choose(args.machine), BaseArgs(base=study.start.base)
    record = runs.manifest("compare", args)
    notes = [*data.notes, *told(args.recipe, args.tune), *leaks(data, args.start, base)]
    return record | {
        "args": record["args"] | further_options(design),
        "contents": contents_of(study),
        "data": describe(data),
        "task": data.labelled().described(),
        "metric": study.metric,
        "base": study.start.base,
        "arms": design.names,
        "budgets": design.budgets,
        "seeds": design.seeds,
        "recipes": recipes_of(design, design.names),
        "step2": design.step2_arms,
        "device": str(machine.device),
        "precision": machine.precision,
        "notes": [*notes, *design.notes()],
    }


def test_of(data: Data) -> Corpus:
    """The test rows; SteepError where there are none to compare on, or to choose epochs by."""
    if data.test is None or not len(data.test) or not len(data.valid):
        raise SteepError(
            "A study needs validation rows, to choose epochs by, and test rows, to compare on: "
            "leave valid_share and test_share above 0, or name files with --valid and --test."
        )
    return data.test


def metric_of(task: Task, test: Corpus, name: str | None) -> str:
    """The metric called `name`, or that of the task; SteepError if unknown, or undefined here."""
    metric = check_metric(task, name) if name else primary(task)
    if not defined(task, metric, test.labels()):
        raise SteepError(
            f"{metric} is undefined on the {len(test):,} test rows (one class only?). Choose "
            "another --metric, or a larger test_share."
        )
    return metric


def contents_of(study: Study) -> dict[str, Any]:
    """Hashes of all that a study reads: rows with their labels, further texts, checkpoints.

    What is renamed or moved stays the same.
    """
    given, texts = study.start.given, vars(study.args.texts)
    own = {name: paths for name, paths in _paths_of_arms(study.design).items() if paths}
    return {
        "rows": {part: fingerprint(corpus) for part, corpus in study.data.parts.items()},
        "texts": {name: [_of_path(path) for path in texts[name]] for name in TEXTS},
        "checkpoints": {
            "base": checkpoint_identity(study.start.base),
            "adapted": None if given is None else checkpoint_identity(given),
        },
        "options": {name: " ".join(map(_of_path, paths)) for name, paths in own.items()},
    }


def changed(known: dict[str, Any], study: Study) -> str:
    """What sets `study` apart from the one that study.json knows, in words; empty if nothing."""
    before, now = known["contents"], contents_of(study)
    asked = identity_of(study.args) | further_options(study.design)
    options = options_of(CompareArgs)
    paths = {option.name for option in options if Path in (option.hint, *get_args(option.hint))}
    by_content = {*paths, "model", "base", *now["options"]}
    names = [n for n, v in asked.items() if n not in by_content and known["args"].get(n) != v]
    names += [n for n, v in now["options"].items() if before["options"].get(n) != v]
    if names:
        return f"options ({', '.join(names)})"
    if known["recipes"] != recipes_of(study.design, known["arms"]):
        return "recipes (their files have changed)"
    if before["checkpoints"]["base"] != now["checkpoints"]["base"]:
        return f"weights or tokenizer in its checkpoint ({study.start.base} is another one now)"
    if before["checkpoints"]["adapted"] != now["checkpoints"]["adapted"]:
        return f"weights or tokenizer in its adapted checkpoint (now {study.start.given})"
    if names := [
        f"--{n.replace('_', '-')}" for n in TEXTS if before["texts"][n] != now["texts"][n]
    ]:
        return f"texts for step 2 ({', '.join(names)})"
    parts = [part for part in now["rows"] if before["rows"].get(part) != now["rows"][part]]
    return f"rows or labels (of {', '.join(parts)})" if parts else ""


def further_options(design: Design) -> dict[str, Any]:
    """Options that arms from outside the core bring along, as JSON has them."""
    return {name: plain_json(value) for arm in design.arms for name, value in arm.options.items()}


def _paths_of_arms(design: Design) -> dict[str, list[Path]]:
    """The paths that these options name, where they are there."""
    given = {name: value for arm in design.arms for name, value in arm.options.items()}
    several = {n: v if isinstance(v, tuple | list) else [v] for n, v in given.items()}
    files = {n: [Path(v)] for n, v in given.items() if isinstance(v, str) and Path(v).is_file()}
    return {
        name: [path for path in values if isinstance(path, Path) and path.exists()]
        for name, values in several.items()
    } | files


def recipes_of(design: Design, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each of these arms with options of its own, the tables in which it differs."""
    return {
        arm.name: {"fit": dict(arm.fit_options)}
        | ({"adapt": dict(arm.adapt_options)} if arm.pretrain else {})
        for arm in design.arms
        if arm.name in names and (arm.fit_options or arm.adapt_options)
    }


def _of_path(path: Path) -> str:
    """A hash of the files at `path`, in their order, whatever they are called."""
    what = what_is_at(path)
    if what == "nothing":  # a name on the hub
        return str(path)
    whole = hashlib.blake2b(digest_size=16)
    for file in files_below(path) if what == "folder" else [path]:
        try:
            whole.update(f"{file.suffix}\0{hash_of(file)}\0".encode())
        except OSError as error:
            raise SteepError(unreadable(file, error)) from None
    return whole.hexdigest()
