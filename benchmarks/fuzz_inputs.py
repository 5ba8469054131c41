"""What is given to Steep to see whether it ends in a traceback? Random edits of what it reads."""

import copy
import io
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pandas as pd

from benchmarks.tiny import SPEED, make_rows
from steep import cli, commands
from steep.args import CheckArgs
from steep.options import Option, options_of

CELLS = [
    "[0, 1, 0]",
    "[1 0 1]",
    "['a', 'b']",
    "[]",
    "null",
    "nan",
    "1,234",
    "0,5",
    "5%",
    "€ 5",
    "01",
]
CELLS += [
    "1e400",
    "1.0",
    "TRUE",
    '{"a":1}',
    "=1+1",
    "\x1b[2J",
    '"',
    'a"b',
    "\x00",
    "\ufeff",
    "  ",
    "",
]
CELLS += ["\ud83d", "array([1,0])", "{1}", "-", "٣", "½", "1_000", "inf", "[[1]]", "[0, 1", "1;0;1"]
CELLS += ["id", "é" * 3000, "9" * 5000, "a|b", "[" * 3000]
VALUES = [None, True, -1, 0, 1, 2**70, 10**400, float("nan"), float("inf"), 1e308, "", "x", "²"]
VALUES += ["\x1b[2J", "a" * 5000, [], {}, [[]], {"a": 1}, [None], ["x"], [1, 2], "/etc", "../x"]
BYTES = [
    b"\0",
    b'"',
    b"\n",
    b"\r",
    b"\t",
    b",",
    b"\xff",
    b"\xef\xbb\xbf",
    b"[",
    b"}",
    b"nan",
    b"\\",
]
WORDS = [
    *("", "x", "label", "text,label", "²", "\x1b[2J", "a" * 5000, "f1", "precision:2", "cost:1,0"),
    *("balanced", "positive=nan", "positive=1e308", "/", "../x", "layer:99", "none", "=", "1e400"),
]
WHOLE = [-1, 0, 1, 2, 3, 2**31, 10**20, "9" * 400, "9" * 5000, "x", "1.5", "", "²"]
PARTS = ["nan", "inf", "-inf", -1, 0, 1e-300, 0.5, 1, 1e20, 1e308, "9" * 400, "x", "", "1,5"]
SLOW = {"minutes", "seeds", "jobs", "ray", "resamples", "time_limit"}  # may well take long
SLOW |= {"upload"}  # or asks another machine
EDITED = (".json", ".csv", ".npy", ".txt", ".md", ".safetensors")


@dataclass
class Input:
    """A number, what is drawn for it, and a folder of its own with copies of what is edited."""

    draw: random.Random
    base: Path
    folder: Path

    def copied(self, name: str) -> Path:
        """A copy of a file or folder of the base."""
        copied = shutil.copytree if (self.base / name).is_dir() else shutil.copy
        return Path(copied(self.base / name, self.folder / name))


def edited_json(draw: random.Random, value: Any) -> Any:
    """A JSON value with one key or item gone, renamed, twice there, or of another value."""
    value = copy.deepcopy(value)
    parent, key = draw.choice(list(_places(value)) or [([value], 0)])
    how = draw.random()
    if how < 0.2:
        del parent[key]
    elif how < 0.3 and isinstance(parent, dict):
        parent[f"x{key}"] = parent.pop(key)
    elif how < 0.4 and isinstance(parent, list):
        parent.append(parent[key])
    else:
        parent[key] = draw.choice(VALUES)
    return value


def _places(value: Any) -> Any:
    keys = value if isinstance(value, dict) else range(min(len(value), 6))
    for key in keys if isinstance(value, dict | list) else ():
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def edited_bytes(draw: random.Random, content: bytes) -> bytes:
    """Bytes with a part gone, added or changed; or cut."""
    at, how = draw.randrange(len(content) + 1), draw.random()
    if how < 0.4:
        return content[:at] + draw.choice(BYTES) + content[at:]
    if how < 0.6:
        return content[:at] + content[at + draw.randint(1, 40) :]
    if how < 0.8:
        return content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :]
    return content[:at] if how < 0.9 else content + content[: draw.randint(0, 200)]


def edit_file(draw: random.Random, path: Path) -> None:
    """Edit a file as what it is: JSON by its keys, most of the time; all else by its bytes."""
    content = path.read_bytes()
    if path.suffix == ".json" and draw.random() < 0.85:
        content = json.dumps(edited_json(draw, json.loads(content))).encode()
    else:
        content = edited_bytes(draw, content)
    path.write_bytes(content)


def tables(one: Input) -> list[str]:
    """Cells, then bytes, of a table of any format; most often only looked at."""
    draw, rows = one.draw, make_rows(40)
    pool, share = draw.sample(CELLS, draw.randint(1, 3)), draw.random() ** 2
    for name in ("label", draw.choice(["text", "id"])):
        cells = [draw.choice(pool) if draw.random() < share else cell for cell in rows[name]]
        rows[name] = pd.Series(cells, dtype=object)
    ending = draw.choice(["csv", "tsv", "jsonl", "json", "parquet", "txt"])
    path = one.folder / f"t.{ending}"
    content = _written(rows, ending, draw)
    path.write_bytes(edited_bytes(draw, content) if draw.random() < 0.5 else content)
    kinds = ["", "", "", "--task multi", "--task single", "--task regression", "--soft"]
    kinds += ["--ordered", "--label-delimiter ,", "--pair id", "--sample-weight label"]
    label = [*f"--label label {draw.choice(kinds)}".split()]
    if draw.random() < 0.7:
        return ["check", str(path), *label]
    model, out = str(one.base / "model"), ["--out", str(one.folder / "out")]
    return draw.choice(
        [
            ["fit", str(path), *label, "--model", model, "--epochs", "1", *SPEED, *out],
            ["adapt", str(path), "--model", model, "--max-steps", "1", *SPEED, *out],
            ["predict", str(one.base / "fitted"), str(path), *out],
            ["evaluate", str(one.base / "fitted"), str(path), *out],
        ]
    )


def _written(rows: pd.DataFrame, ending: str, draw: random.Random) -> bytes:
    if ending in ("csv", "tsv"):
        separator = "," if ending == "csv" else "\t"
        return rows.to_csv(index=False, sep=separator).encode("utf-8", "surrogatepass")
    if ending == "txt":
        return draw.choice(["\n", "\n\n"]).join(rows["text"]).encode("utf-8", "surrogatepass")
    if ending == "parquet":
        stream = io.BytesIO()
        rows.map(lambda cell: cell.encode("utf-8", "replace").decode()).to_parquet(stream)
        return stream.getvalue()
    values: Any = rows.to_dict("records")
    values = edited_json(draw, values) if draw.random() < 0.3 else values
    lines = ending == "jsonl" and isinstance(values, list)
    return ("\n".join(map(json.dumps, values)) if lines else json.dumps(values)).encode()


KINDS = {
    "check": CheckArgs,
    "adapt": commands.AdaptCommand,
    "fit": commands.FitCommand,
    "predict": commands.PredictCommand,
    "evaluate": commands.EvaluateCommand,
    "compare": commands.CompareCommand,
    "lr-find": cli.LrFindArgs,
    "multitask": cli.MultitaskArgs,
    "explain": cli.ExplainArgs,
    "select": cli.SelectArgs,
    "self-train": cli.SelfTrainCommand,
    "share": cli.ShareArgs,
}


def options(one: Input) -> list[str]:
    """One or two options of a command, each with a value that may be absurd."""
    draw = one.draw
    name = draw.choice(list(KINDS))
    line = LINES[name].format(base=one.base, out=one.folder / "out").split()
    known = [option for option in options_of(KINDS[name]) if option.name not in SLOW]
    for option in draw.sample(known, draw.randint(1, 2)):
        line += _given(option, one)
    return [name, *line]


def _given(option: Option, one: Input) -> list[str]:
    """A flag with a value that its type suggests."""
    draw, flag = one.draw, f"--{option.name.replace('_', '-')}"
    kinds = {option.hint, *get_args(option.hint)}
    if bool in kinds:
        return [flag]
    if get_origin(option.hint) is Literal:
        return [flag, str(draw.choice([*get_args(option.hint), "x", ""]))]
    if Path in kinds:
        return [flag, str(one.base / draw.choice(["t.csv", "model", "model/config.json", "none"]))]
    values: list[Any] = PARTS if float in kinds else WHOLE if int in kinds else WORDS
    return [flag, str(draw.choice(values))]


FIT = "{base}/t.csv --label label --model {base}/model --epochs 1 --max-length 32 --device cpu"
LINES = {
    "check": "{base}/t.csv --label label",
    "adapt": "{base}/t.csv --model {base}/model --max-steps 2 --max-length 32 --out {out}",
    "fit": f"{FIT} --out {{out}}",
    "predict": "{base}/fitted {base}/t.csv --out {out}",
    "evaluate": "{base}/fitted {base}/t.csv --out {out}",
    "compare": f"{FIT} --config {{base}}/c.toml --dry-run --out {{out}}",
    "lr-find": FIT.replace("--epochs 1", "--curves 1 --curve-steps 20"),
    "multitask": f"{{base}}/u.csv {FIT} --out {{out}}",
    "explain": "{base}/fitted {base}/t.csv --ids r1 --n-steps 4 --out {out}",
    "select": "{base}/u.csv --near {base}/t.csv --label label --model {base}/model --out {out}",
    "self-train": f"{FIT.replace(' --label', ' {base}/u.csv --label')} --out {{out}}",
    "share": "{base}/fitted --out {out}",
}


def configs(one: Input) -> list[str]:
    """A checkpoint, or a folder of a fit, with one or two of its files edited."""
    draw = one.draw
    model = one.copied(draw.choice(["model", "model", "fitted"]))
    files = sorted(path for path in model.rglob("*") if path.suffix in EDITED)
    first = model / "config.json" if draw.random() < 0.5 else draw.choice(files)
    for path in dict.fromkeys([first, draw.choice(files)]):
        edit_file(draw, path)
    out = f"--out {one.folder / 'out'} {' '.join(SPEED)}"
    table = f"{one.base / 't.csv'} --model {model}"
    lines = [
        f"fit {table} --label label --epochs 1 {out}",
        f"adapt {table} --max-steps 1 {out}",
        f"check {table} --label label",
    ]
    return draw.choice(lines).split()


def runs(one: Input) -> list[str]:
    """A run folder of fit or adapt with one of its files edited."""
    draw = one.draw
    folder = one.copied(draw.choice(["fitted", "fitted", "adapted"]))
    files = sorted(path for path in folder.rglob("*") if path.suffix in EDITED)
    edit_file(draw, draw.choice([path for path in files if "tokenizer" not in path.name]))
    table, out = one.base / "t.csv", one.folder / "out"
    lines = [
        *[f"report {folder} --out {out}.html"] * 3,
        f"share {folder} --out {out}",
        f"predict {folder} {table} --out {out}",
        f"evaluate {folder} {table} --out {out}",
        f"explain {folder} {table} --ids r1 --n-steps 4 --out {out}",
        f"fit {table} --label label --model {folder} --epochs 1 --out {out} {' '.join(SPEED)}",
        f"check {table} --splits {folder / 'splits.json'} --label label",
    ]
    return draw.choice(lines).split()


def studies(one: Input) -> list[str]:
    """A study with one of its files edited: reported, or gone on with."""
    study = one.copied("study")
    files = sorted(path for path in study.rglob("*") if path.suffix in EDITED)
    edit_file(one.draw, one.draw.choice(files))
    lines = [
        f"report {study} --out {one.folder / 'out'}.html",
        STUDY.format(base=one.base, out=study),
    ]
    return one.draw.choice(lines).split()


STUDY = (
    f"compare {FIT} --precision fp32 --config {{base}}/c.toml --seeds 1 --arms base,adapted "
    "--keep-going "
    "--out {out}"
)
SOURCES: dict[str, Callable[[Input], list[str]]] = {
    "table": tables,
    "option": options,
    "config": configs,
    "run": runs,
    "study": studies,
}
