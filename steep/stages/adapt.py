"""steep adapt: further pre-training of a masked language model on one's own text (step 2)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.config import AdaptArgs
from steep.console import say
from steep.data.corpus import Corpus, Data, join
from steep.data.duplicates import corpus_hashes, drop_seen
from steep.data.load import load
from steep.data.readers import is_plain
from steep.data.tables import read_texts
from steep.data.tokens import frame, tokenize, windows
from steep.errors import SteepError
from steep.models.checkpoints import MaskedLanguageModel, check_length, find, load_masked_lm
from steep.models.devices import Machine, choose
from steep.objectives.masking import vocabulary
from steep.seeds import derive, numbers
from steep.stages import facts
from steep.train import masked
from steep.train.windows import Pile

HELDOUT = 2000  # documents at most to measure masked loss on
SPACE = 3  # times the checkpoint's size that a run needs on the disk


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
    less the texts that equal a held-out row. Plain text has no rows to hold out. Raises
    SteepError for whatever is wrong with them.
    """
    args = args or AdaptArgs()
    args = replace(args, model=str(model)) if model else args
    out = Path(out)
    runs.check_free(out, args.overwrite)
    machine, folder = choose(args), find(args.model)
    data, further = _read(source, unlabelled, args)
    lm = load_masked_lm(args.model, machine.attention, args.seed)
    check_length(args.max_length, lm.model)
    runs.check_space(out, SPACE * lm.model.num_parameters() * 4)
    with runs.writing(out, "adapt", args, args.overwrite) as run:
        facts.record(run, data, machine, str(folder))
        text, sources = _text(data, further, args, run)
        results = _train(lm, text, args, machine, run)
        runs.write_json(run.folder / runs.RESULTS, results | {"sources": sources})
        runs.write_hashes(run.folder, corpus_hashes(text))
        lm.save(run.folder)
    loss = results["masked_loss"]
    say(f"masked loss on held-out text: {loss['before']:.3f} before, {loss['after']:.3f} after")
    if results["new_head"]:
        say("(the new head went on learning with the encoder: not all of this is the encoder's)")
    say(f"adapted checkpoint: {out}")
    return out


def _read(
    source: Data | str | Path | Sequence[Path], unlabelled: Sequence[str | Path], args: AdaptArgs
) -> tuple[Data, list[Corpus]]:
    """The data of the task, and the further corpora, which are read whole."""
    files = [Path(path) for path in unlabelled]
    if not isinstance(source, Data):
        first, *others = [source] if isinstance(source, str | Path) else source
        whole = replace(args, valid_share=0.0, test_share=0.0)
        plain = is_plain(Path(first))
        source, files = load(Path(first), whole if plain else args), [*map(Path, others), *files]
    return source, [read_texts([path], args) for path in files]


def _text(
    data: Data, further: list[Corpus], args: AdaptArgs, run: runs.Run
) -> tuple[Corpus, list[dict[str, Any]]]:
    """The text to train on, and what of it came from where; held-out rows are left out."""
    kept = [data.valid, data.test] if data.test is not None else [data.valid]
    own = [data.train, *(kept if args.transductive else [])]
    held = np.concatenate([corpus_hashes(corpus) for corpus in kept])
    run.note(_say_held(len(held), data, args))
    corpora = [*own, *(_clean(corpus, held, args, run) for corpus in further)]
    text = join(corpora)
    if not len(text):
        raise SteepError(f"{data.train.source}: no text is left to train on; all is held out.")
    read = [len(data.train) + len(held), *map(len, further)]
    used = [sum(map(len, own)), *map(len, corpora[len(own) :])]
    names = [data.train.source, *(corpus.source for corpus in further)]
    return text, [
        {"name": name, "documents": count, "left_out": total - count}
        for name, count, total in zip(names, used, read, strict=True)
    ]


def _clean(corpus: Corpus, held: np.ndarray, args: AdaptArgs, run: runs.Run) -> Corpus:
    """A further corpus without the texts that equal a held-out row."""
    for note in corpus.notes:
        run.note(note)
    if args.transductive:
        return corpus
    clean, dropped = drop_seen(corpus, held)
    if dropped:
        run.note(f"{corpus.source}: {dropped:,} texts equal a held-out row and are left out")
    return clean


def _say_held(count: int, data: Data, args: AdaptArgs) -> str:
    if not count:
        return "no rows are held out: all text is trained on"
    if args.transductive:
        return "transductive: the text of validation and test rows is trained on, too"
    whole = " (--valid-share 0 --test-share 0 uses a file without labels whole)"
    hint = whole if data.task is None else ""
    return f"{count:,} validation and test rows are left out of step 2{hint}"


def _train(
    lm: MaskedLanguageModel, text: Corpus, args: AdaptArgs, machine: Machine, run: runs.Run
) -> dict[str, Any]:
    """Train `lm` in place; returns what the run found."""
    pile = Pile(
        tokenize(text, lm.tokenizer),
        frame(lm.tokenizer),
        vocabulary(lm.tokenizer),
        args.max_length,
        args.mask_share,
    )
    train, heldout = _hold_out(pile, args)
    run.note(f"{len(text):,} documents, {len(pile.tokens.ids):,} tokens; computing on {machine}")
    run.note(
        f"{len(train):,} windows of at most {args.max_length} tokens to train on, {len(heldout):,} "
        "of other documents kept aside to measure the masked loss"
    )
    room = pile.frame.room(args.max_length)
    unknown = len(windows(pile.tokens, room)) - len(train) - len(heldout)
    if unknown:
        run.note(f"{unknown:,} windows hold no token that the tokenizer knows: left out")
    if lm.new_head:
        run.note(f"{args.model} has no masked-LM head: a new one is trained first, alone")
    report = masked.train(lm, pile, train, heldout, args, machine, derive(args.seed, "dropout"))
    runs.write_csv(run.folder / runs.HISTORY, report.pop("history"))
    return report | {"documents": len(text), "windows": len(train), "new_head": lm.new_head}


def _hold_out(pile: Pile, args: AdaptArgs) -> tuple[np.ndarray, np.ndarray]:
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
    owner = np.searchsorted(pile.tokens.offsets, spans[:, 0], side="right") - 1
    aside = np.isin(owner, chosen)
    return spans[~aside], spans[aside]
