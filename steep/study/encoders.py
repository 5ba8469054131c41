"""Which adapted encoders does a study need, and how is each made once?"""

import shutil
from pathlib import Path

from steep import runs
from steep.args import AdaptArgs, CompareArgs, PretrainArgs
from steep.args.running import SeedArgs
from steep.args.training import ModelArgs
from steep.errors import SteepError
from steep.study.arms import Step2Job
from steep.study.design import Step2
from steep.study.study import Study

Encoders = dict[tuple[str, int], Path]
"""The folder of the encoder by arm and seed; several arms and seeds may share one."""


def make_encoders(study: Study) -> Encoders:
    """The encoders of all arms that need one; those that are there already are kept.

    Raises SteepError when one cannot be made; a study without any result is then removed.
    """
    found: Encoders = {}
    try:
        for arm, owner in study.design.step2_arms.items():
            step2 = study.design.step2_of(study.design.arm(arm))
            assert step2 is not None
            for seed in study.design.seeds:
                own = study.args.study.step2_per_seed
                name = f"{owner}-seed{seed}" if own and seed != study.design.seeds[0] else owner
                drawn = seed if own else study.args.seed.seed
                found[arm, seed] = _encoder(study, step2, study.out / name, drawn)
    except SteepError:
        if not _has_results(study):
            shutil.rmtree(study.out)
        raise
    return found


def step2_args(args: CompareArgs, base: str, pretrain: PretrainArgs, seed: int) -> AdaptArgs:
    """The options of a step 2 within a study: those that `steep adapt` would be given."""
    return AdaptArgs(
        table=args.table,
        split=args.split,
        start=ModelArgs(model=base),
        pretrain=pretrain,
        seed=SeedArgs(seed=seed),
        machine=args.machine,
        saving=args.saving,
    )


def _encoder(study: Study, step2: Step2, folder: Path, seed: int) -> Path:
    """The folder of the encoder that `step2` makes, in `folder` where it is made here."""
    if step2.given is not None:
        _copy_record(step2.given, folder)
        return step2.given
    if not (folder / runs.MANIFEST).is_file():
        files = (*study.args.texts.unlabelled, *step2.files)
        args = step2_args(study.args, study.start.base, step2.options, seed)
        step2.pretrain(Step2Job(study.data, files, folder, args))
    return folder


def _copy_record(given: Path, folder: Path) -> None:
    """Keep a record of a step 2 that was finished before, for the report; not its weights."""
    folder.mkdir(exist_ok=True)
    for name in (runs.HISTORY, runs.RESULTS, runs.MANIFEST):
        shutil.copyfile(given / name, folder / name)


def _has_results(study: Study) -> bool:
    """Whether anything is finished that could be resumed."""
    made = [path.parent for path in study.out.glob(f"*/{runs.WEIGHTS}")]
    return bool(made) or (study.out / runs.CELLS).exists()
