"""Which adapted encoders does a study need, and how is each made once?"""

import shutil
from dataclasses import replace
from pathlib import Path

from steep import config, runs
from steep.args import AdaptArgs, CompareArgs
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.stages import awd_lstm
from steep.stages.adapt import adapt
from steep.study.design import AWD_LSTM, STEP2, Design

OF_FIT = (
    *("epochs", "learning_rate", "decay", "max_length", "warmup", "weight_decay", "clip"),
    *("accumulate", "seed"),
)

Encoders = dict[tuple[str, int], Path]
"""The folder of the encoder by arm and seed; several seeds may share one."""


def make(data: Data, out: Path, design: Design, args: CompareArgs) -> Encoders:
    """The encoders of all arms that need one; those that are there already are kept.

    Raises SteepError when one cannot be made; a study without finished cells is then removed.
    """
    found: Encoders = {}
    for arm in (arm for arm in design.arms if arm in STEP2):
        for seed in design.seeds:
            own = args.adapt_per_seed and args.encoder is None
            folder = out / (f"{arm}-seed{seed}" if own and seed != design.seeds[0] else arm)
            found[arm, seed] = _one(data, out, folder, arm, seed if own else args.seed, args)
    return found


def adapting(args: CompareArgs, seed: int) -> AdaptArgs:
    """The options of step 2 within a study."""
    assert args.model is not None
    return replace(
        config.part(args, AdaptArgs, without=OF_FIT),
        model=args.model,
        epochs=args.adapt_epochs,
        learning_rate=args.adapt_learning_rate,
        max_length=args.adapt_max_length,
        seed=seed,
    )


def _one(data: Data, out: Path, folder: Path, arm: str, seed: int, args: CompareArgs) -> Path:
    if arm == "adapted" and args.encoder is not None:
        return _given(args.encoder, folder)
    if not (folder / runs.MANIFEST).is_file():
        text = {"in-domain": args.in_domain, "cross-domain": args.in_domain + args.cross_domain}
        files = (*args.unlabelled, *text.get(arm, ()))
        try:
            if arm == AWD_LSTM:
                awd_lstm.adapt(data, files, folder, args, adapting(args, seed))
            else:
                adapt(data, out=folder, args=adapting(args, seed), unlabelled=files)
        except SteepError:
            if not (out / runs.CELLS).exists():  # nothing is finished that could be gone on with
                shutil.rmtree(out)
            raise
    return folder


def _given(encoder: Path, folder: Path) -> Path:
    """The user's own encoder. The study keeps a record of it, for its report, not the weights."""
    folder.mkdir(exist_ok=True)
    for name in (runs.HISTORY, runs.RESULTS, runs.MANIFEST):
        shutil.copyfile(encoder / name, folder / name)
    return encoder
