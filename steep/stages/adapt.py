"""steep adapt: further pre-training of a masked language model on one's own text (step 2)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steep import runs
from steep.args import AdaptArgs, FitArgs, PretrainArgs
from steep.console import say, say_next
from steep.data.budget import labelled_parts, probe_on
from steep.data.cache_files import select_rows
from steep.data.corpus import Data, record_data
from steep.data.duplicates import corpus_hashes
from steep.data.readers import Source
from steep.data.step2_text import Step2Text, gather, read_corpora, repeated
from steep.errors import SteepError
from steep.metrics.scores import higher_is_better
from steep.models.checkpoint_files import check_checkpoint
from steep.models.hub import no_checkpoint
from steep.openings import NOTHING, Openings
from steep.options import as_mapping
from steep.places import find_place, inputs_of
from steep.reports.reproduce import command_line
from steep.seeds import numbers

if TYPE_CHECKING:
    from steep.models.masked_lm import MaskedLanguageModel
    from steep.train.masked import Laid
    from steep.train.pile import Source as Pile
    from steep.train.session import Session

HELDOUT = 2000  # documents at most to measure masked loss on
MEASURED = ("masked_loss", "masked_accuracy", "probe")  # what is told in words of its own


def adapt(
    source: Source | Data | Sequence[Source],
    *,
    out: Path,
    args: AdaptArgs,
    unlabelled: Sequence[Source] = (),
    openings: Openings = NOTHING,
) -> Path:
    """Step 2: train a masked language model on a text; returns the folder `out`.

    `source` is the data of the task, or files: the first is split as `steep fit` will split it,
    and its validation and test rows are left out; further files, and `unlabelled`, are read whole,
    less the texts that leak a held-out row. Plain text has no rows to hold out. Raises SteepError
    for whatever is wrong with them.
    """
    find_place(out, "folder", args.output.overwrite, inputs_of(args, source, unlabelled))
    if args.start.model is None:
        raise no_checkpoint()
    folder = check_checkpoint(args.start.model)
    data, further = read_corpora(source, unlabelled, args.table, args.split, args.text)
    labelled = labelled_parts(data, args.pretrain.probing, args.seed.seed)
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose, for_checkpointing
    from steep.train.session import session

    machine = for_checkpointing(choose(args.machine), args.pretrain.memory)
    lm = _load(args, machine.attention, openings)
    corpora = data.parts | {f"text {n}, {one.source}": one for n, one in enumerate(further, 1)}
    with session("adapt", out, args, corpora, machine, openings) as opened:
        run = opened.run
        opened.check_space(lm.model.num_parameters())
        record_data(run, data, str(folder))
        text = gather(data, further, args.text, run)
        rows = probe_on(labelled, data, lm.tokenizer, args.pretrain.length.max_length, run)
        results = _train(lm, text, rows, args, opened)
        _keep(run, lm, text, results | {"sources": text.sources})
    _tell(results, args.pretrain, out)
    if not isinstance(source, Data):  # as in a study, which goes on by itself
        _say_next(source, args, out)
    return out


def _keep(
    run: runs.Run, lm: "MaskedLanguageModel", text: Step2Text, results: dict[str, Any]
) -> None:
    """The checkpoint, what the run found, and which texts it read."""
    from steep.models.model_card import write_step2_card

    runs.write_json(run.folder / runs.RESULTS, results)
    runs.write_hashes(run.folder, corpus_hashes(text.corpus))
    lm.save(run.folder)
    write_step2_card(run.folder, run.out.resolve().name, run.manifest, results)


def _load(args: AdaptArgs, attention: str | None, openings: Openings) -> "MaskedLanguageModel":
    """The checkpoint with the heads of the objective, if it reads windows of this length."""
    from steep.models.checkpoints import check_length
    from steep.models.masked_lm import load_masked_lm

    assert args.start.model is not None
    lm = load_masked_lm(args.start.model, attention, args.seed.seed, _objective(openings).heads)
    check_length(args.pretrain.length.max_length, lm.model)
    return lm


def _objective(openings: Openings) -> Any:
    from steep.train.objective import Objective

    return Objective() if openings.objective is None else openings.objective()


def _train(
    lm: "MaskedLanguageModel",
    text: Step2Text,
    rows: Any,
    args: AdaptArgs,
    opened: "Session",
) -> dict[str, Any]:
    """Train `lm` in place; returns what the run found."""
    from steep.train import masked
    from steep.train.session import Hooks

    run, pretrain = opened.run, args.pretrain
    laid = _laid_out(lm, text, rows, args, opened)
    run.note(
        f"{len(text.corpus):,} documents, {len(laid.pile.tokens.ids):,} tokens; computing on "
        f"{opened.machine}"
    )
    run.note(
        f"{len(laid.train):,} windows of at most {pretrain.length.max_length} tokens to train on, "
        f"{len(laid.heldout):,} of other documents held out to measure the masked loss"
    )
    for note in (*lm.notes, *_limits(lm, pretrain)):
        run.note(note)
    hooks = Hooks("adapting", opened.saves, opened.openings.callbacks, opened.openings.followers)
    with opened.together():
        report = masked.train(lm, laid, pretrain, opened.machine, args.seed.seed, hooks)
    runs.write_csv(run.folder / runs.HISTORY, report.pop("history"))
    runs.write_json(run.folder / runs.LOOK, report.pop("look"))
    counts = {"documents": len(text.corpus), "windows": len(laid.train)}
    return report | counts | {"new_head": lm.new_head}


def _laid_out(
    lm: "MaskedLanguageModel", text: Step2Text, rows: Any, args: AdaptArgs, opened: "Session"
) -> "Laid":
    """The text as windows: to train on, packed and as often as wanted; and held out."""
    from steep.train.heldout import Probe
    from steep.train.masked import Laid

    objective, run = _objective(opened.openings), opened.run
    pile = objective.pile(text.corpus, lm, args.pretrain)
    train, heldout = _hold_out(pile, args.pretrain.evaluation.heldout_share, args.seed.seed)
    for note in pile.notes(train, heldout):
        run.note(note)
    found = pile.packed(train)
    if len(found) < len(train):
        run.note(f"{len(train):,} windows are packed into {len(found):,}")
    train = _weighted(pile, text, found, args.seed.seed, run)
    probe = None if rows is None else Probe(*rows)
    return Laid(pile, train, pile.packed(heldout), probe, objective)


def _hold_out(pile: "Pile", share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The windows to train on and those to measure on, of different documents."""
    spans = pile.spans()
    documents = len(pile.tokens)
    count = min(HELDOUT, math.ceil(share * documents)) if 0 < share < 1 else documents
    if count == documents:
        raise SteepError(
            f"heldout_share {share}: of {documents:,} documents, some must be held out and some "
            "left to train on. Choose a share such as 0.05, or give more text."
        )
    chosen = numbers(seed, "heldout").choice(documents, count, replace=False)
    aside = np.isin(_owner(pile, spans), chosen)
    return select_rows(spans, ~aside), select_rows(spans, aside)


def _owner(pile: "Pile", spans: np.ndarray) -> np.ndarray:
    """The document in which each window begins, int64 (windows,)."""
    return np.searchsorted(pile.tokens.offsets, spans[:, 0], side="right") - 1


def _weighted(
    pile: "Pile", text: Step2Text, windows: np.ndarray, seed: int, run: runs.Run
) -> np.ndarray:
    """The windows of a pass, as often as their files are read."""
    if (text.times == 1).all():
        return windows
    source = np.searchsorted(text.ends, _owner(pile, windows), side="right")
    again = repeated(np.arange(len(windows)), source, text.times, seed)
    counts = np.bincount(source[again], minlength=len(text.times))
    for file, times, count in zip(text.sources, text.times, counts, strict=True):
        run.note(f"{file['name']}: read {times:g} times, {count:,} windows of a pass")
    return windows[again]


def _limits(lm: "MaskedLanguageModel", pretrain: PretrainArgs) -> list[str]:
    """What the user should know of what does not train, or not fast.

    Raises SteepError if the model cannot recompute its activations.
    """
    from steep.models.devices import checkpointing_notes

    notes = checkpointing_notes(lm.model, pretrain.memory)
    if pretrain.objective.train == "embeddings":
        tied = lm.model.get_output_embeddings().weight is lm.model.get_input_embeddings().weight
        notes.append(
            "only the embeddings train; the layers above stay as they are"
            + (
                " (the masked-LM head's decoder is tied to them, and moves with them)"
                if tied
                else ""
            )
        )
    return notes


def _tell(results: dict[str, Any], pretrain: PretrainArgs, out: Path) -> None:
    """What step 2 has changed, in words."""
    loss, best_by = results["masked_loss"], pretrain.evaluation.best_by
    say(f"masked loss on held-out text: {loss['before']:.3f} before, {loss['after']:.3f} after")
    if results["best_step"] < results["steps"]:
        early = "; then training stopped early" if results["stopped_early"] else ""
        say(f"(weights of step {results['best_step']:,} of {results['steps']:,}{early})")
    if best_by == "loss" and loss["after"] > loss["before"]:
        say("(the held-out loss never improved: choose a lower learning_rate, or more text)")
    if "probe" in results:
        _tell_probe(results, best_by)
    for name, found in results.items():  # what an objective of the shelf measures besides
        if isinstance(found, dict) and "before" in found and name not in MEASURED:
            what = name.replace("_", " ")
            say(f"{what}: {found['before']:.3f} before, {found['after']:.3f} after")
    if results["new_head"] and pretrain.objective.train == "all":
        say("(the new head kept training with the encoder: not all of this is the encoder's)")
    say(f"adapted checkpoint: {out}")


def _say_next(source: Any, args: AdaptArgs, out: Path) -> None:
    """Fine-tuning on the same file, where there was one, with the same options."""
    first = next(iter(source), None) if isinstance(source, list | tuple) else source
    values = as_mapping(args.table) | as_mapping(args.split) | {"model": str(out)}
    file = first if isinstance(first, str | Path) and values["label"] else "LABELLED.csv"
    values["label"] = values["label"] or "LABEL"
    say_next(command_line("fit", FitArgs, values, [file], "model"))


def _tell_probe(results: dict[str, Any], best_by: str) -> None:
    found, rows, metric = results["probe"], results["probe_rows"][1], results["probe_metric"]
    before, after = found["before"], found["after"]
    say(f"probe ({metric} on {rows:,} validation rows): {before:.3f} before, {after:.3f} after")
    if best_by == "probe" and (after < before if higher_is_better(metric) else after > before):
        say("(the probe never improved: by its measure, step 2 did not help)")
