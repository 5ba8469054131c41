"""Which options say where a command runs, and what it leaves behind?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steep.options import SEEDS, Part, option

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "bf16", "fp32"]


@dataclass(frozen=True, kw_only=True)
class SeedArgs(Part):
    """Seed."""

    seed: int = option(
        0,
        "Seed of everything random but the split.",
        common=True,
        **SEEDS,
    )


@dataclass(frozen=True, kw_only=True)
class MachineArgs(Part):
    """Hardware."""

    device: Device = option("auto", "Where to compute; by default a GPU if there is one.")
    precision: Precision = option("auto", "bf16 where the processor has it, else fp32.")
    plain: bool = option(False, "Compute with Hugging Face's own layers, not Steep's faster ones.")


@dataclass(frozen=True, kw_only=True)
class SaveArgs(Part):
    """Saving and resuming."""

    save_every: float = option(
        5.0,
        "Minutes between saves, from which a killed run resumes; 0 for none.",
        least=0,
        most=1_000_000,
        harmless=True,
    )


@dataclass(frozen=True, kw_only=True)
class OverwriteArgs(Part):
    """Saving and resuming."""

    overwrite: bool = option(False, "Replace the output if it exists.", common=True, harmless=True)


@dataclass(frozen=True, kw_only=True)
class AbstainArgs(Part):
    """Abstention."""

    abstain_below: float | None = option(
        None, "Leave rows undecided whose confidence is lower than this.", least=0, most=1
    )


@dataclass(frozen=True, kw_only=True)
class SpreadsheetArgs(Part):
    """Output."""

    keep_columns: bool = option(False, "Carry the columns of the input along, after Steep's own.")
    safe_csv: bool = option(
        False, "Write ' before ids and names that a spreadsheet would compute as formulas."
    )


@dataclass(frozen=True, kw_only=True)
class IntervalArgs(Part):
    """Intervals."""

    resamples: int = option(
        1000, "Bootstrap resamples behind the intervals.", least=100, most=1_000_000
    )


@dataclass(frozen=True, kw_only=True)
class WorkerArgs(Part):
    """Parallel runs."""

    jobs: int = option(
        1, "Processes that share the runs of the study.", least=1, most=10_000, harmless=True
    )
    ray: str | None = option(
        None,
        "Address of a Ray cluster that shares the runs ('local' starts one here).",
        harmless=True,
    )


@dataclass(frozen=True, kw_only=True)
class SeedsArgs(Part):
    """Study."""

    seeds: int = option(
        5, "Seeds; every arm runs once with each.", least=1, most=10_000, common=True
    )


@dataclass(frozen=True, kw_only=True)
class StudyTextArgs(Part):
    """Study."""

    unlabelled: tuple[Path, ...] = option(
        (), "Files of further text for step 2 (repeatable).", common=True
    )
    in_domain: tuple[Path, ...] = option(
        (), "Files of other texts of the domain, for the arm in-domain (repeatable)."
    )
    cross_domain: tuple[Path, ...] = option(
        (), "Files of texts of other domains, for the arm cross-domain (repeatable)."
    )


@dataclass(frozen=True, kw_only=True)
class StudyArgs(Part):
    """Study."""

    arms: str = option(
        "tfidf,features,base,adapted",
        "Arms, joined by commas: tfidf, base, adapted, in-domain, cross-domain, longer; a recipe "
        "(features, ...); or a TOML file with a table [adapt], [fit], or both.",
    )
    label_budgets: tuple[int, ...] = option(
        (), "Use only this many training labels, drawn by seed (repeatable: a label curve)."
    )
    smallest_effect: float = option(
        0.0, "Smallest gain that would make step 2 worth it to you.", least=0
    )
    step2_per_seed: bool = option(False, "Run step 2 anew for every seed, not once for all.")
    keep_going: bool = option(
        False, "Go on where base has learnt nothing after its first seed.", harmless=True
    )


@dataclass(frozen=True, kw_only=True)
class PlanArgs(Part):
    """Plan."""

    time_limit: str | None = option(
        None, "Time that the study may take (90s, 60m, 8h): arms, then budgets, then seeds go."
    )
    dry_run: bool = option(False, "Print the plan (runs, minutes, disk), and stop.", harmless=True)
