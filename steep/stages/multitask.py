"""steep multitask: one encoder for several labelled data sets, a start for 'steep fit'."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steep import config, runs
from steep.args import FitArgs, MultitaskArgs
from steep.console import say
from steep.data.corpus import Data
from steep.data.duplicates import row_hashes
from steep.data.load import load
from steep.errors import SteepError
from steep.metrics.scores import primary
from steep.models.hub import find
from steep.stages import facts
from steep.stages.fit import SAVED, SPACE

if TYPE_CHECKING:
    from steep.models.devices import Machine
    from steep.train.saves import Saves


def multitask(
    files: Sequence[str | Path],
    model: str | Path | None = None,
    *,
    out: str | Path,
    args: MultitaskArgs | None = None,
) -> Path:
    """Train one encoder on several labelled tables at once; returns the folder `out`, a checkpoint.

    Sun et al. 2019, section 5.5: each table has a head of its own; `steep fit --model OUT` then
    fine-tunes on one of them, with a new head. Tables are split as `steep fit` splits them by the
    same options, and their validation and test rows are not learnt from. Raises SteepError for
    whatever is wrong with files, options or the checkpoint.
    """
    args = args or MultitaskArgs()
    args = replace(args, model=str(model)) if model else args
    out = Path(out)
    runs.check_free(out, args.overwrite)
    if args.model is None:
        raise SteepError("Name a checkpoint with --model.")
    start = find(args.model)
    sets = read(files, args)
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.train.saves import open_saves

    machine = choose(args)
    saves = open_saves(out, args.save_every, identity(sets, args, machine), args.overwrite)
    with runs.writing(out, "multitask", args, args.overwrite) as run, saves.told():
        run.record(data={n: facts.describe(d) for n, d in sets.items()}, base=str(start))
        run.record(device=str(machine.device), precision="bf16" if machine.bf16 else "fp32")
        history = _run(sets, args, machine, run, saves)
    saves.remove()
    for name, data in sets.items():
        metric = primary(data.labelled())
        say(f"{name}: {metric} {history[-1][f'{name} {metric}']:.4f} on its validation rows")
    say(f"shared encoder: {out}; 'steep fit ... --model {out}' starts from it")
    return out


def read(files: Sequence[str | Path], args: MultitaskArgs) -> dict[str, Data]:
    """The data sets by the names of their files; SteepError for what does not go together."""
    names = [Path(file).stem for file in files]
    if len(names) < 2:
        raise SteepError("multitask needs two tables or more; for one there is 'steep fit'.")
    if len({*names}) < len(names):
        raise SteepError(f"Two of the tables have one name ({', '.join(names)}). Rename one.")
    common = config.part(args, FitArgs, without=("text", "label"))
    texts, labels = _each(args.text or ("text",), names, "text"), _each(args.label, names, "label")
    sets = {
        name: load(Path(file), replace(common, text=text, label=label))
        for name, file, text, label in zip(names, files, texts, labels, strict=True)
    }
    for name, data in sets.items():
        data.labelled()
        if not len(data.valid):
            raise SteepError(f"{name}: valid_share 0 leaves no rows to tell how it goes.")
    return {name: _guarded(name, sets) for name in sets}


def _guarded(name: str, sets: Mapping[str, Data]) -> Data:
    """A set without the training rows whose text is held out in another one."""
    data = sets[name]
    others = [other for own, other in sets.items() if own != name]
    held = [row_hashes(c) for other in others for p, c in other.parts.items() if p != "train"]
    known = np.isin(row_hashes(data.train), np.concatenate(held))
    if not known.any():
        return data
    note = f"{known.sum():,} training rows are left out: another set holds out their text"
    train = data.train.take(np.flatnonzero(~known))
    if not len(train):
        raise SteepError(f"{name}: no training rows are left; another set holds out their texts.")
    return replace(data, train=train, notes=(*data.notes, note))


def identity(sets: Mapping[str, Data], args: MultitaskArgs, machine: "Machine") -> dict[str, Any]:
    """What two runs must have in common for one to go on where the other was killed, by name."""
    known = [facts.identity(args, data, machine) for data in sets.values()]
    parts = zip(sets, (one["data"] for one in known), strict=True)
    return known[0] | {"data": {f"{n} {p}": f for n, data in parts for p, f in data.items()}}


def _each(given: tuple[str, ...], names: list[str], option: str) -> tuple[str, ...]:
    """An option's value for every table."""
    if len(given) not in (1, len(names)):
        raise SteepError(
            f"--{option} is given {len(given)} times for {len(names)} tables; give it once for "
            "all, or once for each, in their order."
        )
    return given if len(given) == len(names) else given * len(names)


def _run(
    sets: Mapping[str, Data],
    args: MultitaskArgs,
    machine: "Machine",
    run: runs.Run,
    saves: "Saves",
) -> list[dict[str, Any]]:
    """Train and write everything; returns the history."""
    from steep.train import multitask as training

    saves.go_on(run)
    for name, data in sets.items():
        for note in data.notes:
            run.note(f"{name}: {note}")
    learn = training.learner(sets, args, machine)
    mixture = learn.dls.train.dataset
    for name, rows in mixture.sets.items():
        for note in rows.notes("training"):
            run.note(f"{name}: {note}")
    shares = ", ".join(f"{n} {s:.0%}" for n, s in zip(sets, mixture.shares, strict=True))
    run.note(f"batches are drawn by chance: {shares}; computing on {machine}")
    encoder = learn.model.model.base_model
    needed = SPACE + SAVED * (args.save_every > 0)
    runs.check_space(run.folder, needed * encoder.num_parameters() * 4)
    history = training.train(learn, sets, args, saves)
    runs.write_csv(run.folder / runs.HISTORY, history)
    runs.write_json(run.folder / runs.RESULTS, {"sets": _results(sets, history[-1])})
    runs.write_hashes(
        run.folder, np.concatenate([row_hashes(data.train) for data in sets.values()])
    )
    encoder.save_pretrained(run.folder)
    next(iter(mixture.sets.values())).tokenizer.save_pretrained(run.folder)
    return history


def _results(sets: Mapping[str, Data], last: dict[str, Any]) -> dict[str, Any]:
    """What each set is, and how its validation rows were told in the end."""
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
