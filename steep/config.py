"""Which options are there? One frozen dataclass per command; each field with its sentence of help.

The command line, TOML files and the Python API all use these classes: an option exists once.
"""

import dataclasses
import difflib
import tomllib
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from steep.errors import SteepError

Kind = Literal["auto", "single", "multi", "regression"]
Unit = Literal["auto", "file", "paragraph", "line"]
Truncation = Literal["head", "tail", "head+tail"]
Schedule = Literal["one-cycle", "slanted", "linear", "cosine"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "bf16", "fp32"]


def option(
    default: Any, sentence: str, least: float | None = None, most: float | None = None
) -> Any:
    """A field with its default, its sentence of help, and the least and most it may be."""
    return field(default=default, metadata={"help": sentence, "least": least, "most": most})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What all option classes share: numbers out of their bounds are refused."""

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            value, least, most = self.__dict__[f.name], f.metadata["least"], f.metadata["most"]
            low = value is not None and least is not None and value < least
            high = value is not None and most is not None and value > most
            if low or high:
                bounds = f"at least {least:g}" if most is None else f"{least:g} to {most:g}"
                raise SteepError(f"option '{f.name}' must be {bounds}, not {value:g}.")


@dataclass(frozen=True, kw_only=True)
class TableArgs(Options):
    """How a table of texts is read."""

    text: str = option("text", "Column that holds the text.")
    pair: str | None = option(None, "Column of a second text, for tasks on pairs of texts.")
    label: str | None = option(None, "Column of labels; several 0/1 columns joined by commas.")
    id: str | None = option(None, "Column that names the rows; by default 'id' where it exists.")
    task: Kind = option("auto", "Kind of task; by default inferred from the labels, and printed.")
    label_delimiter: str | None = option(
        None, "What separates several labels in one column ('|' in 'toxic|insult')."
    )
    unit: Unit = option(
        "auto", "What is one document of a plain text file: the file, a paragraph or a line."
    )


@dataclass(frozen=True, kw_only=True)
class SplitArgs(Options):
    """Which rows are for training, validation and test."""

    valid: Path | None = option(None, "File with the validation rows, instead of a share.")
    test: Path | None = option(None, "File with the test rows, instead of a share.")
    valid_share: float = option(0.1, "Share of the rows held out for validation.")
    test_share: float = option(0.2, "Share of the rows held out for the test; 0 for none.")
    splits: Path | None = option(None, "A splits.json of an earlier run, to split alike.")
    split_seed: int = option(0, "Seed of the split.")


@dataclass(frozen=True, kw_only=True)
class DataArgs(TableArgs, SplitArgs):
    """How a table is read and split."""


@dataclass(frozen=True, kw_only=True)
class RunArgs(Options):
    """How a run behaves on this machine."""

    device: Device = option("auto", "Where to compute; by default the GPU where there is one.")
    precision: Precision = option("auto", "bf16 where the processor has it, else fp32.")
    plain: bool = option(False, "Compute with the layers as Hugging Face wrote them, not faster.")
    seed: int = option(0, "Seed of everything drawn at random but the split.")
    overwrite: bool = option(False, "Replace the output folder if it exists.")


@dataclass(frozen=True, kw_only=True)
class CheckArgs(DataArgs, RunArgs):
    """steep check: what is in a table, what will go wrong, what it will cost."""

    model: str | None = option(None, "Checkpoint whose tokenizer and speed are tried out.")
    out: Path | None = option(None, "Write the findings as JSON to this file, too.")


@dataclass(frozen=True, kw_only=True)
class AdaptArgs(DataArgs, RunArgs):
    """steep adapt: further pre-training on your own text."""

    model: str = option("bert-base-uncased", "Checkpoint to start from: a folder or a hub name.")
    epochs: float = option(1.0, "Passes over the text.", least=0.001)
    max_minutes: float | None = option(
        None, "Fit the number of passes to this many minutes.", least=0.01
    )
    learning_rate: float = option(1e-4, "Highest learning rate.", least=0)
    max_length: int = option(
        128, "Tokens in a window; longer documents give several windows.", least=8
    )
    batch_tokens: int = option(4096, "Tokens in a batch, padding included.", least=8)
    mask_share: float = option(
        0.15, "Share of tokens to predict (80 % masked, 10 % random).", least=0.01, most=0.9
    )
    warmup: float = option(
        0.06, "Share of the steps in which the learning rate rises.", least=0, most=0.9
    )
    weight_decay: float = option(0.01, "Weight decay; biases and norms have none.", least=0)
    clip: float = option(1.0, "Largest norm of the gradient.", least=0.0001)
    heldout_share: float = option(0.05, "Share of documents kept aside to measure masked loss.")
    transductive: bool = option(False, "Train on the text of validation and test rows, too.")


@dataclass(frozen=True, kw_only=True)
class FitArgs(DataArgs, RunArgs):
    """steep fit: fine-tuning a classifier."""

    model: str | None = option(None, "Checkpoint to start from: a folder or a hub name.")
    encoder: Path | None = option(None, "Folder of 'steep adapt' whose encoder is used, as it is.")
    epochs: int = option(3, "Passes over the labelled rows.", least=1)
    learning_rate: float = option(5e-5, "Highest learning rate, of the head.", least=0)
    decay: float = option(
        0.95, "Each lower layer learns this much slower than the one above.", least=0.01, most=1
    )
    schedule: Schedule = option("one-cycle", "Course of the learning rate.")
    warmup: float = option(
        0.1, "Share of the steps in which the learning rate rises.", least=0, most=0.9
    )
    batch_size: int = option(32, "Rows in a step of the optimiser.", least=1)
    accumulate: int = option(1, "Parts in which a batch is computed, to save memory.", least=1)
    max_length: int = option(256, "Longest input in tokens; longer texts are truncated.", least=8)
    truncation: Truncation = option("head", "Which part of a long text is kept.")
    weight_decay: float = option(0.01, "Weight decay; biases and norms have none.", least=0)
    clip: float = option(1.0, "Largest norm of the gradient.", least=0.0001)
    metric: str | None = option(None, "Validation metric that chooses the epoch; default by task.")
    label_budget: int | None = option(
        None, "Use only this many training labels, drawn by seed.", least=1
    )


@dataclass(frozen=True, kw_only=True)
class PredictArgs(RunArgs):
    """steep predict: a probability for every row and class."""

    text: str | None = option(None, "Column that holds the text; default as in training.")
    pair: str | None = option(None, "Column of the second text; default as in training.")
    id: str | None = option(None, "Column that names the rows; by default 'id' where it exists.")
    batch_size: int = option(64, "Rows computed at once.", least=1)


@dataclass(frozen=True, kw_only=True)
class EvaluateArgs(PredictArgs):
    """steep evaluate: predictions against labels."""

    label: str | None = option(None, "Column(s) of labels; default as in training.")
    resamples: int = option(1000, "Bootstrap resamples behind the intervals.", least=100)
    out: Path | None = option(None, "Write results and predictions to this folder, too.")


@dataclass(frozen=True, kw_only=True)
class CompareArgs(FitArgs):
    """steep compare: was step 2 worth it?"""

    unlabelled: tuple[Path, ...] = option((), "Files of further text for step 2 (repeatable).")
    arms: str = option("tfidf,base,adapted", "Arms of the study, joined by commas.")
    seeds: int = option(5, "Seeds; every arm runs once with each.", least=1)
    smallest_effect: float = option(0.0, "Gain below which step 2 is not worth it to you.", least=0)
    adapt_epochs: float = option(1.0, "Passes over the text in step 2.", least=0.001)
    adapt_learning_rate: float = option(1e-4, "Highest learning rate of step 2.", least=0)
    adapt_max_length: int = option(128, "Tokens in a window of step 2.", least=8)


@dataclass(frozen=True, kw_only=True)
class DemoArgs(RunArgs):
    """steep demo: every stage on real text that comes along."""

    out: Path = option(Path("demo"), "Folder for the data, the runs and the report.")
    yes: bool = option(False, "Install the demo's checkpoint without asking.")
    labels: int = option(300, "Training labels of the fits and of the comparison.")
    seeds: int = option(3, "Seeds of the comparison.", least=2)
    epochs: int = option(6, "Passes over the labelled rows.", least=1)
    adapt_epochs: float = option(0.5, "Passes over the text in step 2.", least=0.001)


Args = TypeVar("Args")


def from_mapping(kind: type[Args], values: dict[str, Any], source: str) -> Args:
    """`kind` made from option names and values; `source` is named in errors.

    Raises SteepError on an unknown option (with the nearest known one) or a value of the wrong
    type.
    """
    known = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise SteepError(f"{source}: there is no option '{name}'.{hint}")
    converted = {n: _convert(hints[n], v, f"{source}: option '{n}'") for n, v in values.items()}
    missing = [n for n, f in known.items() if f.default is MISSING and n not in converted]
    if missing:
        raise SteepError(f"{source}: option '{missing[0]}' is needed.")
    return kind(**converted)


def read_toml(path: Path, section: str) -> dict[str, Any]:
    """The options for command `section` in a TOML file: its table `[section]`, dashes allowed."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SteepError(f"{path}: there is no such file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SteepError(f"{path}: not valid TOML: {error}.") from None
    values = content.get(section, {})
    if not isinstance(values, dict):
        raise SteepError(f"{path}: '{section}' must be a table, written [{section}].")
    return {name.replace("-", "_"): value for name, value in values.items()}


def part(args: Any, kind: type[Args], without: tuple[str, ...] = ()) -> Args:
    """The options of `kind` that `args` has, too; those named in `without` keep their defaults."""
    names = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    given = {f.name: f for f in dataclasses.fields(args) if f.name in names - {*without}}
    return kind(**{name: args.__dict__[name] for name in given})


def as_mapping(args: Any) -> dict[str, Any]:
    """The options as plain JSON values, for the run folder."""
    return {name: _plain(value) for name, value in dataclasses.asdict(args).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _convert(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type `hint`, or a SteepError that says what was expected."""
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise SteepError(f"{where} must be one of {choices}, not {value!r}.")
        return value
    if get_origin(hint) is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_convert(get_args(hint)[0], item, where) for item in items)
    kinds = get_args(hint) or (hint,)
    if value is None and type(None) in kinds:
        return None
    plain = next(kind for kind in kinds if kind is not type(None))
    if plain is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if plain is Path and isinstance(value, str | Path):
        return Path(value)
    if not isinstance(value, plain) or (plain is int and isinstance(value, bool)):
        raise SteepError(f"{where} must be {_NAMES[plain]}, not {value!r}.")
    return value


_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
}
