"""Which options have a study and the demo?"""

from dataclasses import dataclass
from pathlib import Path

from steep.args.fit import TuneArgs
from steep.args.run import RunArgs
from steep.config import option


@dataclass(frozen=True, kw_only=True)
class CompareArgs(TuneArgs):
    """steep compare: was step 2 worth it?"""

    unlabelled: tuple[Path, ...] = option((), "Files of further text for step 2 (repeatable).")
    in_domain: tuple[Path, ...] = option(
        (), "Files of other texts of the domain, for the arm in-domain (repeatable)."
    )
    cross_domain: tuple[Path, ...] = option(
        (), "Files of texts of other domains, for the arm cross-domain (repeatable)."
    )
    arms: str = option(
        "tfidf,base,adapted",
        "Arms of the study, joined by commas: tfidf, base, adapted, in-domain, cross-domain, "
        "longer, awd-lstm; or base with a recipe: its name (features, ...) or TOML file.",
    )
    awd_lstm: Path | None = option(
        None, "Folder of fastai's AWD-LSTM for the arm awd-lstm; by default fastai's cache."
    )
    label_budget: tuple[int, ...] = option(
        (), "Use only this many training labels, drawn by seed (repeatable: a label curve)."
    )
    seeds: int = option(5, "Seeds; every arm runs once with each.", least=1)
    smallest_effect: float = option(0.0, "Gain below which step 2 is not worth it to you.", least=0)
    adapt_epochs: float = option(1.0, "Passes over the text in step 2.", least=0.001)
    adapt_learning_rate: float = option(1e-4, "Highest learning rate of step 2.", least=0)
    adapt_max_length: int = option(128, "Tokens in a window of step 2.", least=8)
    adapt_per_seed: bool = option(False, "Run step 2 anew for every seed, not once for all.")
    jobs: int = option(1, "Processes that share the runs of the study.", least=1)
    ray: str | None = option(
        None, "Address of a Ray cluster that shares the runs ('local' starts one here)."
    )
    budget: str | None = option(
        None, "Time that the study may take (90s, 60m, 8h): arms, then budgets, then seeds go."
    )
    dry_run: bool = option(False, "Print the plan (runs, minutes, disk), and stop.")


@dataclass(frozen=True, kw_only=True)
class DemoArgs(RunArgs):
    """steep demo: every stage on real text that comes along."""

    out: Path = option(Path("demo"), "Folder for the data, the runs and the report.")
    yes: bool = option(False, "Install the demo's checkpoint without asking.")
    labels: int = option(300, "Training labels of the fits and of the comparison.")
    seeds: int = option(3, "Seeds of the comparison.", least=2)
    epochs: int = option(6, "Passes over the labelled rows.", least=1)
    adapt_epochs: float = option(0.15, "Passes over the text in step 2.", least=0.001)
