"""steep multitask: which tables go together, and what is left of training on all of them?"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steep import runs
from steep.args.table import SplitArgs, TableArgs
from steep.console import say
from steep.data.corpus import Data, describe
from steep.data.duplicates import row_hashes
from steep.data.leaks import find_leaks, held_out, rows_of
from steep.data.load import load
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.scores import primary
from steep.models.checkpoint_files import check_checkpoint
from steep.models.hub import carry, find, no_checkpoint
from steep.options import make
from steep.places import find_place, inputs_of
from steep.shelf.multitask import MultitaskArgs

if TYPE_CHECKING:
    from steep.train.session import Session


def multitask(files: Sequence[Source], *, out: Path, args: MultitaskArgs) -> Path:
    """Train one encoder on several labelled tables at once; returns the folder `out`, a checkpoint.

    Sun et al. 2019, section 5.5: each table has a head of its own; `steep fit --model OUT` then
    fine-tunes on one of them, with a new head. Tables are split as `steep fit` splits them by the
    same options, and their validation and test rows are not trained on. Raises SteepError for
    whatever is wrong with files, options or the checkpoint.
    """
    find_place(out, "folder", args.output.overwrite, inputs_of(args, files))
    if args.start.model is None:
        raise no_checkpoint()
    check_checkpoint(args.start.model)
    train_sets(read_sets(files, args), out, args)
    say(f"shared encoder: {out}; next: steep fit ... --model {shlex.quote(str(out))}")
    return out


def train_sets(sets: Mapping[str, Data], out: Path, args: MultitaskArgs) -> None:
    """Train one encoder on these data, by name, as `apart` gives them; writes the folder `out`."""
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.train.session import session

    assert args.start.model is not None
    corpora = {f"{n} {part}": c for n, data in sets.items() for part, c in data.parts.items()}
    with session("multitask", out, args, corpora, choose(args.machine)) as opened:
        described = {name: describe(data) for name, data in sets.items()}
        opened.run.record(data=described, base=str(find(args.start.model)))
        last = _train_and_write(sets, args, opened)[-1]
    for name, data in sets.items():
        metric = primary(data.labelled())
        say(f"{name}: {metric} {last[f'{name} {metric}']:.4f} on its validation rows")


def read_sets(files: Sequence[Source], args: MultitaskArgs) -> dict[str, Data]:
    """The data of each table by its name; SteepError for what does not go together."""
    names = [_name(file, number) for number, file in enumerate(files, 1)]
    if len(names) < 2:
        raise SteepError("multitask needs two tables or more; for one there is 'steep fit'.")
    if len({*names}) < len(names):
        raise SteepError(f"Two of the tables have one name ({', '.join(names)}). Rename one.")
    texts = _for_each(args.tasks.text or ("text",), names, "text")
    labels = _for_each(args.tasks.label, names, "label")
    split = SplitArgs(shares=args.shares, leaks=args.leaks)
    groups = (
        _for_each(args.tasks.group, names, "group") if args.tasks.group else [None] * len(names)
    )
    tables = [
        make(TableArgs, text=text, label=label, group=group)
        for text, label, group in zip(texts, labels, groups, strict=True)
    ]
    sets = {
        name: load(file, table, split)
        for name, file, table in zip(names, files, tables, strict=True)
    }
    return apart(sets)


def apart(sets: Mapping[str, Data]) -> dict[str, Data]:
    """The data, by name, without the training rows that another one holds out.

    Raises SteepError where one has no labels, no validation rows, or no training rows left.
    """
    for name, data in sets.items():
        data.labelled()
        if not len(data.valid):
            raise SteepError(f"{name}: valid_share 0 leaves no validation rows to measure on.")
    return {name: _without_leaks(name, sets) for name in sets}


def _name(source: Source, number: int) -> str:
    """The name of a file without its ending; tables that are no files are numbered."""
    return Path(source).stem if isinstance(source, str | Path) else f"table{number}"


def _without_leaks(name: str, sets: Mapping[str, Data]) -> Data:
    """A table without the training rows that copy what another table holds out."""
    data = sets[name]
    others = [other for own, other in sets.items() if own != name]
    held = [rows_of(c) for other in others for p, c in other.parts.items() if p != "train"]
    known = find_leaks(rows_of(data.train), held_out(held)).found
    if not known.any():
        return data
    note = f"{known.sum():,} training rows are left out: another table holds out their text"
    train = data.train.take(np.flatnonzero(~known))
    if not len(train):
        raise SteepError(f"{name}: no training rows are left; another table holds out their texts.")
    return replace(data, train=train, notes=(*data.notes, note))


def _for_each(given: tuple[str, ...], names: list[str], option: str) -> tuple[str, ...]:
    """An option's value for every table."""
    if len(given) not in (1, len(names)):
        raise SteepError(
            f"--{option} is given {len(given)} times for {len(names)} tables; give it once for "
            "all, or once for each, in their order."
        )
    return given if len(given) == len(names) else given * len(names)


def _train_and_write(
    sets: Mapping[str, Data], args: MultitaskArgs, opened: "Session"
) -> list[dict[str, Any]]:
    """Train, and write everything to the run's folder; returns the history."""
    from steep.models.checkpoints import checkpoint_notes
    from steep.train.multitask import multitask_learner, train_multitask

    run = opened.run
    for name, data in sets.items():
        for note in data.notes:
            run.note(f"{name}: {note}")
    learn = multitask_learner(sets, args, opened.machine)
    mixture = learn.dls.train.dataset
    for name, rows in mixture.sets.items():
        for note in rows.notes("training"):
            run.note(f"{name}: {note}")
    for part in learn.model.tasks:
        for note in checkpoint_notes(part.model):
            run.note(note)
    shares = ", ".join(f"{n} {s:.0%}" for n, s in zip(sets, mixture.shares, strict=True))
    run.note(f"batches are drawn at random: {shares}; computing on {opened.machine}")
    encoder = learn.model.model.base_model
    opened.check_space(encoder.num_parameters())
    history = train_multitask(learn, sets, args, opened.saves)
    runs.write_csv(run.folder / runs.HISTORY, history)
    runs.write_json(run.folder / runs.RESULTS, {"sets": _results(sets, history[-1])})
    hashes = [row_hashes(data.train) for data in sets.values()]
    runs.write_hashes(run.folder, np.concatenate(hashes))
    encoder.save_pretrained(run.folder)
    next(iter(mixture.sets.values())).tokenizer.save_pretrained(run.folder)
    carry(find(str(args.start.model)), run.folder)
    return history


def _results(sets: Mapping[str, Data], last: dict[str, Any]) -> dict[str, Any]:
    """The task of each table, and its validation score after the last epoch."""
    found = {}
    for name, data in sets.items():
        task, metric = data.labelled(), primary(data.labelled())
        found[name] = {
            "task": task.described(),
            "metric": metric,
            "valid": last[f"{name} {metric}"],
            "rows": len(data.train),
        }
    return found
