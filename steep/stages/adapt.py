"""steep adapt: further pre-training of a masked language model on one's own text (step 2)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steep import runs
from steep.args import AdaptArgs
from steep.console import say
from steep.data.corpus import Corpus, Data
from steep.data.duplicates import corpus_hashes
from steep.data.sentences import split
from steep.data.shares import repeated
from steep.data.store import select
from steep.data.tokens import frame, tokenize
from steep.errors import SteepError
from steep.metrics.scores import higher_is_better
from steep.models.hub import find
from steep.objectives.masking import vocabulary
from steep.seeds import derive, numbers
from steep.stages import facts
from steep.stages.corpora import Text, gather, read_corpora
from steep.stages.follow import check_tracker, followed
from steep.stages.probing import labelled_parts, probe_on

if TYPE_CHECKING:
    from steep.models.checkpoints import MaskedLanguageModel
    from steep.models.devices import Machine
    from steep.train.pairs import PairPile
    from steep.train.probe import Probe
    from steep.train.saves import Saves
    from steep.train.tracking import Tracking
    from steep.train.windows import Pile

HELDOUT = 2000  # documents at most to measure masked loss on
SPACE, SAVED = 3, 8  # times the checkpoint's size that a run needs on the disk, and its saves


def adapt(
    source: Data | str | Path | Sequence[Path],
    model: str | Path | None = None,
    *,
    out: str | Path,
    args: AdaptArgs | None = None,
    unlabelled: Sequence[str | Path] = (),
) -> Path:
    """Step 2: train the masked language model `model` on a text; returns the folder `out`.

    `source` is the data of the task, or files: the first is split as `steep fit` will split it,
    and its validation and test rows are left out; further files, and `unlabelled`, are read whole,
    less the texts that give a held-out row away. Plain text has no rows to hold out. Raises
    SteepError for whatever is wrong with them.
    """
    args = args or AdaptArgs()
    args = replace(args, model=str(model)) if model else args
    out = Path(out)
    runs.check_free(out, args.overwrite)
    check_tracker(args.track)
    folder = find(args.model)
    data, further = read_corpora(source, unlabelled, args)
    labelled = labelled_parts(data, args)
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.train.saves import open_saves

    machine = _machine(args)
    lm = _load(args, machine, out)
    itself = facts.identity(args, data, machine, further)
    saves = open_saves(out, args.save_every, itself, args.overwrite)
    with (
        runs.writing(out, "adapt", args, args.overwrite) as run,
        saves.told(),
        followed(out, args) as tracking,
    ):
        facts.record(run, data, machine, str(folder))
        saves.go_on(run)
        text = gather(data, further, args, run)
        probe = probe_on(labelled, data, lm, args, run)
        results = _train(lm, text, probe, args, machine, run, saves, tracking)
        runs.write_json(run.folder / runs.RESULTS, results | {"sources": text.sources})
        runs.write_hashes(run.folder, corpus_hashes(text.corpus))
        lm.save(run.folder)
    saves.remove()
    _tell(results, args, out)
    return out


def _load(args: AdaptArgs, machine: "Machine", out: Path) -> "MaskedLanguageModel":
    """The checkpoint, if it reads windows of this length and the disk has room for the run."""
    from steep.models.checkpoints import check_length, load_masked_lm

    pairs = args.sentences != "none"
    lm = load_masked_lm(args.model, machine.attention, args.seed, pairs)
    check_length(args.max_length, lm.model)
    runs.check_space(out, (SPACE + SAVED * (args.save_every > 0)) * lm.model.num_parameters() * 4)
    return lm


def _machine(args: AdaptArgs) -> "Machine":
    from steep.models.devices import choose

    machine = choose(args)
    # With checkpointing, the fast layers would draw other dropout on the way back.
    return replace(machine, fast=False) if args.checkpointing else machine


def _tell(results: dict[str, Any], args: AdaptArgs, out: Path) -> None:
    """What step 2 has changed, in words."""
    loss = results["masked_loss"]
    say(f"masked loss on held-out text: {loss['before']:.3f} before, {loss['after']:.3f} after")
    if results["best_step"] < results["steps"]:
        early = "; then nothing more was gained" if results["stopped_early"] else ""
        say(f"(weights of step {results['best_step']:,} of {results['steps']:,}{early})")
    if args.keep == "loss" and loss["after"] > loss["before"]:
        say("(no measurement was below that before: choose a lower learning_rate, or more text)")
    if "probe" in results:
        _tell_probe(results, args)
    if "pair_accuracy" in results:
        right = results["pair_accuracy"]
        say(
            f"sentence pairs judged right, of {results['heldout_pairs']:,} held out: "
            f"{right['before']:.3f} before, {right['after']:.3f} after"
        )
    if results["new_head"] and args.train == "all":
        say("(the new head went on learning with the encoder: not all of this is the encoder's)")
    say(f"adapted checkpoint: {out}")


def _tell_probe(results: dict[str, Any], args: AdaptArgs) -> None:
    found, rows, metric = results["probe"], results["probe_rows"][1], results["probe_metric"]
    before, after = found["before"], found["after"]
    say(f"probe ({metric} on {rows:,} validation rows): {before:.3f} before, {after:.3f} after")
    if args.keep == "probe" and (after < before if higher_is_better(metric) else after > before):
        say("(no measurement was better than that before: to this probe, step 2 did not help)")


def _train(
    lm: "MaskedLanguageModel",
    text: Text,
    probe: "Probe | None",
    args: AdaptArgs,
    machine: "Machine",
    run: runs.Run,
    saves: "Saves",
    tracking: "Tracking | None",
) -> dict[str, Any]:
    """Train `lm` in place; returns what the run found."""
    from steep.train import masked

    pile = _pile(lm, text.corpus, args)
    train, heldout = _hold_out(pile, args)
    notes = pile.notes(train, heldout)
    train, heldout = _laid_out(pile, text, train, args, run), pile.packed(heldout)
    run.note(
        f"{len(text.corpus):,} documents, {len(pile.tokens.ids):,} tokens; computing on {machine}"
    )
    run.note(
        f"{len(train):,} windows of at most {args.max_length} tokens to train on, {len(heldout):,} "
        "of other documents kept aside to measure the masked loss"
    )
    for note in (*notes, *lm.notes, *_limits(lm, args)):
        run.note(note)
    seed = derive(args.seed, "dropout")
    report = masked.train(lm, pile, train, heldout, args, machine, seed, saves, probe, tracking)
    runs.write_csv(run.folder / runs.HISTORY, report.pop("history"))
    runs.write_json(run.folder / runs.LOOK, report.pop("look"))
    return report | {"documents": len(text.corpus), "windows": len(train), "new_head": lm.new_head}


def _limits(lm: "MaskedLanguageModel", args: AdaptArgs) -> list[str]:
    """What the user should know of what does not train, or not fast.

    Raises SteepError if the model cannot compute its layers again.
    """
    notes = []
    if args.train == "embeddings":
        tied = lm.model.get_output_embeddings().weight is lm.model.get_input_embeddings().weight
        notes.append(
            "only the embeddings train; the layers above stay as they are"
            + (" (what guesses words is tied to them, and moves with them)" if tied else "")
        )
    if args.checkpointing and not lm.model.supports_gradient_checkpointing:
        raise SteepError(f"{args.model}: cannot compute its layers again. Leave checkpointing out.")
    if args.checkpointing:
        notes.append("layers are computed twice (checkpointing), and as Hugging Face wrote them")
    return notes


def _pile(lm: "MaskedLanguageModel", text: Corpus, args: AdaptArgs) -> "Pile | PairPile":
    """The text as windows, or as pairs of sentence runs."""
    from steep.train.pairs import pair_pile
    from steep.train.windows import Pile

    around, words = frame(lm.tokenizer), vocabulary(lm.tokenizer, args.masking)
    plain = args.sentences == "none"
    if not plain and around.types[0] == around.types[1]:
        raise SteepError(
            f"{args.model}: its tokenizer tells no two segments apart. Use --sentences none."
        )
    texts, documents = (text, None) if plain else split(text)
    tokens = tokenize(texts, lm.tokenizer)
    pile = Pile(tokens, around, words, args.max_length, args.mask_share, args.masking)
    if documents is not None:
        return pair_pile(pile, documents, args.sentences)
    return pile.packing() if args.pack else pile


def _hold_out(pile: "Pile | PairPile", args: AdaptArgs) -> tuple[np.ndarray, np.ndarray]:
    """The windows to train on and those to measure on, of different documents."""
    spans = pile.spans()
    documents = len(pile.tokens)
    count = min(HELDOUT, math.ceil(args.heldout_share * documents))
    if not 0 < args.heldout_share < 1 or count == documents:
        raise SteepError(
            f"heldout_share {args.heldout_share}: of {documents:,} documents, some must be kept "
            "aside and some left to train on. Choose a share such as 0.05, or give more text."
        )
    chosen = numbers(args.seed, "heldout").choice(documents, count, replace=False)
    aside = np.isin(_owner(pile, spans), chosen)
    return select(spans, ~aside), select(spans, aside)


def _owner(pile: "Pile | PairPile", spans: np.ndarray) -> np.ndarray:
    """The document in which each window begins, int64 (windows,)."""
    return np.searchsorted(pile.tokens.offsets, spans[:, 0], side="right") - 1


def _laid_out(
    pile: "Pile | PairPile", text: Text, train: np.ndarray, args: AdaptArgs, run: runs.Run
) -> np.ndarray:
    """The windows of a pass: packed if they are to be, and as often as their files are read."""
    found = pile.packed(train)
    if len(found) < len(train):
        run.note(f"{len(train):,} windows are packed into {len(found):,}")
    if (text.times == 1).all():
        return found
    source = np.searchsorted(text.ends, _owner(pile, found), side="right")
    again = repeated(np.arange(len(found)), source, text.times, args.seed)
    counts = np.bincount(source[again], minlength=len(text.times))
    for file, times, count in zip(text.sources, text.times, counts, strict=True):
        run.note(f"{file['name']}: read {times:g} times, {count:,} windows of a pass")
    return found[again]
