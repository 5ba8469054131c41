"""Does any input end in a traceback? Random edits of all that Steep reads, given to real commands.

    python -m benchmarks.fuzz --minutes 10 --seed 0

Edits tables of every format, options, the files of checkpoints, run folders and studies, all of
them small and made beforehand. Each input runs in a process of its own, forked from one that has
imported everything. An input that ends in anything but success or a message for the user (exit code
0 or 2) is kept under `--out`, with its command and what was printed. `--first N --inputs 1` runs
input N again. Exits with code 1 if there was one.
"""

import argparse
import gc
import importlib
import json
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets

from benchmarks.fuzz_inputs import LINES, SOURCES, STUDY, Input
from benchmarks.kills import HEAVY
from benchmarks.tiny import make_model, make_rows
from steep import cli

LIMIT = 120  # seconds that an input may take, on a machine that is busy
IMPORTED = [
    *("steep.stages.check", "steep.stages.predict", "steep.stages.evaluate", "steep.reports.page"),
    *("steep.shelf.explain.explain", "steep.shelf.explain.attribution", "sklearn.linear_model"),
    *("steep.shelf.lr_find.lr_find", "steep.train.lr_find", "steep.shelf.multitask.multitask"),
    *("steep.models.model_card", "transformers.models.bert.tokenization_bert", "captum.attr"),
    *("transformers.models.bert.modeling_bert", "pyarrow.parquet", "typer._adapters"),
    *("steep.shelf.share.share", "steep.shelf.select.select"),
    "steep.shelf.self_training.self_train",
    *("pydantic.types", "pydantic.type_adapter", "pandas.io.formats.csvs"),
]


def make_base(base: Path) -> None:
    """A tiny model, a table, and what fit, adapt and compare make of them, in a folder."""
    make_model(base / "model")
    for name, seed in (("t.csv", 0), ("u.csv", 1)):
        make_rows(60, seed).to_csv(base / name, index=False)
    (base / "c.toml").write_text("[adapt]\nmax_length = 32\nmax_steps = 2\n")
    made = {"adapt": base / "adapted", "fit": base / "fitted"}
    lines = [LINES[name].format(base=base, out=out) for name, out in made.items()]
    commands = [f"{name} {line}" for name, line in zip(made, lines, strict=True)]
    for line in [*commands, STUDY.format(base=base, out=base / "study")]:
        code, said = ends(line.split(), base / "log")
        if code:
            raise RuntimeError(f"{line}: {said}")


def ends(line: list[str], log: Path) -> tuple[int, str]:
    """The exit code of `steep` with these words, and what it printed; -14 beyond `LIMIT`."""
    child = os.fork()
    if not child:
        _command(line, log)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, log.read_text(errors="replace")


def _command(line: list[str], log: Path) -> None:
    """Run a command in this process, which then ends."""
    code: Any = 1
    try:
        signal.alarm(LIMIT)
        opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(opened, stream)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        sys.argv = ["steep", *line]
        cli.main()
        code = 0
    except SystemExit as error:
        code = error.code
    except BaseException:  # what is looked for; it is printed as Python would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else code is not None)


@dataclass
class Found:
    """How many inputs ended how, by source and exit code, and the faults among them."""

    ended: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def run_inputs(out: Path, seed: int, numbers: range, minutes: float) -> Found:
    """Make and run these inputs, while there is time; faults are kept in `out`."""
    for name in [*HEAVY, *IMPORTED]:
        importlib.import_module(name)
    gc.freeze()  # else the first collection in a child would copy all pages
    out.mkdir(parents=True, exist_ok=True)
    found, deadline = Found(), time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        datasets.config.HF_DATASETS_CACHE = base / "cache"
        make_base(base)
        for number in numbers:
            if time.monotonic() > deadline:
                break
            draw = random.Random(f"{seed}/{number}")
            source = draw.choices(list(SOURCES), [4, 4, 2, 4, 2])[0]
            folder = base / f"{number}-{source}"
            folder.mkdir()
            line = SOURCES[source](Input(draw, base, folder))
            code, said = ends([word.replace("\0", "") for word in line], folder / "log")
            found.ended[f"{source} {code}"] += 1
            if code not in (0, 2) or "Traceback (most recent call last)" in said:
                found.faults.append(f"{folder.name}: {code}: {said.strip()[-300:]}")
                print(found.faults[-1], flush=True)
                (folder / "command").write_text(shlex.join(line), errors="replace")
                shutil.copytree(folder, out / folder.name, dirs_exist_ok=True)
            shutil.rmtree(folder)
    return found


def main() -> int:
    """Run inputs for some minutes, and say how they ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs, at most")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("faults"), help="folder for faults")
    args = parser.parse_args()
    numbers = range(args.first, args.first + args.inputs)
    found = run_inputs(args.out, args.seed, numbers, args.minutes)
    print(json.dumps(dict(sorted(found.ended.items()))))
    print(f"{found.ended.total():,} inputs, {len(found.faults):,} faults")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
