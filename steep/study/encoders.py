"""Which adapted encoders does a study need, and how is each made once?"""

import shutil
from pathlib import Path

from steep import outputs, places, runs
from steep.args import AdaptArgs, CompareArgs, PretrainArgs, SeedArgs
from steep.args.training import ModelArgs
from steep.errors import SteepError
from steep.run_shapes import TIMED
from steep.study.arms import ADAPTED, Step2Job
from steep.study.design import Step2, Study

Encoders = dict[tuple[str, int], Path]
"""The folder of the encoder by arm and seed; several arms and seeds may share one."""


def make_encoders(study: Study) -> Encoders:
    """The encoders of all arms that need one; those that are there already are kept.

    Raises SteepError when one cannot be made; a study with no more than the first look at base is
    then removed.
    """
    found: Encoders = {}
    try:
        for (arm, seed), folder in step2_folders(study).items():
            step2 = study.design.step2_of(study.design.arm(arm))
            assert step2 is not None
            drawn = seed if study.args.study.step2_per_seed else study.args.seed.seed
            found[arm, seed] = _encoder(study, step2, folder, drawn)
    except SteepError:
        cells = sum(cell.is_kept(study.out) for cell in study.design.cells)
        if cells <= 1 and not any(study.out.glob(f"*/{runs.WEIGHTS}")):
            places.remove_own(study.out)
        raise
    return found


def step2_folders(study: Study) -> Encoders:
    """Where in the study the step 2 of an arm and a seed is, or will be; or the record of it."""
    own, (first, *_) = study.args.study.step2_per_seed, study.design.seeds
    return {
        (arm, seed): study.out / (f"{owner}-seed{seed}" if own and seed != first else owner)
        for arm, owner in study.design.step2_arms.items()
        for seed in study.design.seeds
    }


def check_step2(study: Study) -> None:
    """Raises SteepError where a step 2 that is there does not say what the study has to know."""
    for (arm, _), folder in step2_folders(study).items():
        if (folder / runs.MANIFEST).is_file():
            runs.manifest_at(folder / runs.MANIFEST, TIMED)
            if arm == ADAPTED:
                runs.read_step2(folder)


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
        with outputs.Explained(study.out):
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
        if (given / name).is_file():
            shutil.copyfile(given / name, folder / name)
