"""Which options has step 2, further pre-training, and the study of what it was worth?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steep.args.training import LengthArgs, MemoryArgs, OptimiserArgs
from steep.errors import SteepError
from steep.options import Part, option

Masking = Literal["token", "word", "span"]
Trained = Literal["all", "embeddings"]
BestBy = Literal["loss", "probe"]


@dataclass(frozen=True, kw_only=True)
class PassArgs(Part):
    """Budget of step 2."""

    epochs: float | None = option(
        None,
        "Passes over the text, such as 0.5; by default 1. Or give steps or minutes.",
        least=0.001,
        most=1_000_000,
        common=True,
    )
    max_steps: int | None = option(None, "Optimiser steps.", least=1)


@dataclass(frozen=True, kw_only=True)
class MinutesArgs(Part):
    """Budget of step 2."""

    minutes: float | None = option(
        None,
        "Minutes of step 2, as a few timed steps predict them.",
        least=0.01,
        most=1_000_000,
        common=True,
    )


@dataclass(frozen=True, kw_only=True)
class ObjectiveArgs(Part):
    """Masked language modelling."""

    masking: Masking = option(
        "token", "What is masked: single tokens, whole words, or spans of words (SpanBERT)."
    )
    mlm_probability: float = option(
        0.15, "Share of tokens to predict (80 % masked, 10 % random).", least=0.01, most=0.9
    )
    train: Trained = option("all", "Train all layers, or only the embeddings (Ladkat 2022).")


@dataclass(frozen=True, kw_only=True)
class BatchTokensArgs(Part):
    """Optimisation."""

    batch_tokens: int = option(
        4096, "Tokens in a batch, padding included.", least=8, most=100_000_000
    )


@dataclass(frozen=True, kw_only=True)
class PackArgs(Part):
    """Text."""

    pack: bool = option(
        False, "Put several short documents into one window, with a separator between them."
    )


@dataclass(frozen=True, kw_only=True)
class EvaluationArgs(Part):
    """Evaluation and early stopping."""

    heldout_share: float = option(0.05, "Share of documents held out to measure the masked loss.")
    eval_steps: int | None = option(
        None, "Steps between two evaluations; by default ten in a run, fewer if short.", least=1
    )
    early_stopping_patience: int | None = option(
        None, "Stop after this many evaluations in a row without improvement.", least=1
    )
    best_by: BestBy = option(
        "loss", "What selects the best weights, and stops early: the masked loss, or the probe."
    )


@dataclass(frozen=True, kw_only=True)
class ProbeArgs(Part):
    """Linear probe."""

    probe: bool = option(
        False,
        "At each evaluation, fit a linear classifier to frozen features of labelled training rows "
        "and score it on validation rows.",
    )


@dataclass(frozen=True, kw_only=True)
class PretrainArgs:
    """How a language model is pre-trained further."""

    passes: PassArgs = PassArgs()
    budget: MinutesArgs = MinutesArgs()
    optimiser: OptimiserArgs = OptimiserArgs(learning_rate=1e-4, layer_decay=1.0, warmup_ratio=0.06)
    length: LengthArgs = LengthArgs(max_length=128)
    objective: ObjectiveArgs = ObjectiveArgs()
    batch: BatchTokensArgs = BatchTokensArgs()
    memory: MemoryArgs = MemoryArgs()
    packing: PackArgs = PackArgs()
    evaluation: EvaluationArgs = EvaluationArgs()
    probing: ProbeArgs = ProbeArgs()

    def __post_init__(self) -> None:
        passes, steps = self.passes.epochs, self.passes.max_steps
        budget = {"epochs": passes, "max_steps": steps, "minutes": self.budget.minutes}
        given = [f"'{name}' {value:g}" for name, value in budget.items() if value is not None]
        if len(given) > 1:
            raise SteepError(
                f"options {' and '.join(given)}: only one of epochs, max_steps and minutes can say "
                "how long to train. Leave the others out."
            )
        if self.evaluation.best_by == "probe" and not self.probing.probe:
            raise SteepError("option 'best_by' is probe, but there is none: add --probe.")


@dataclass(frozen=True, kw_only=True)
class TextArgs(Part):
    """Text."""

    transductive: bool = option(False, "Train on the text of validation and test rows, too.")
    file_weight: tuple[str, ...] = option(
        (), "How often a file is read in a pass: FILE=2 twice, FILE=0.5 half of it (repeatable)."
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
        (),
        "Numbers of training labels (repeatable: a label curve).",
        common=True,
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
        None,
        "Time limit (60m, 8h): arms, budgets, then seeds go.",
        common=True,
    )
    dry_run: bool = option(
        False, "Print the plan (runs, minutes, disk), and stop.", harmless=True, common=True
    )


@dataclass(frozen=True, kw_only=True)
class EvidenceArgs(Part):
    """Plan."""

    evidence: tuple[Path, ...] = option(
        (),
        "Studies of your own, for the forecast beside Steep's: the folder of a 'steep compare', or "
        "a CSV file name,labels,own_head,gain,low,high (repeatable).",
        harmless=True,
    )


@dataclass(frozen=True, kw_only=True)
class PriceArgs(Part):
    """Prices."""

    label_price: float | None = option(
        None, "What a label costs you, to count step 2 in money.", least=0, harmless=True
    )
    hour_price: float | None = option(
        None, "What an hour of this machine costs you.", least=0, harmless=True
    )


@dataclass(frozen=True, kw_only=True)
class WorkerArgs(Part):
    """Parallel runs."""

    jobs: int = option(
        1,
        "Processes that share the runs of the study, and this machine's GPUs; with --ray, how many "
        "runs share the cluster's.",
        least=1,
        most=10_000,
        harmless=True,
    )
    ray: str | None = option(
        None,
        "Address of a Ray cluster that shares the runs ('local' starts one here).",
        harmless=True,
    )
