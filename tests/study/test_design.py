"""Are the cells those asked for, does each arm have its options, and are step 2s shared?"""

import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from steep.args import CompareArgs, PretrainArgs, TuneArgs
from steep.errors import SteepError
from steep.options import change, make
from steep.study.arms import Arm, CellInput, CellOutput, Step2Job, built_in_arms
from steep.study.design import Design, plan_design


def design_of(arms: str, **values: Any) -> Design:
    return plan_design(make(CompareArgs, arms=arms, **values))


def test_cells_come_seed_by_seed() -> None:
    cells = design_of("base, adapted,base", seeds=2, seed=7).cells
    assert [(cell.arm, cell.seed) for cell in cells] == [
        ("base", 7),
        ("adapted", 7),
        ("base", 8),
        ("adapted", 8),
    ]


def test_word_counts_and_frozen_features_are_arms_by_default() -> None:
    assert plan_design(make(CompareArgs)).names == ("tfidf", "features", "base", "adapted")


def test_every_cell_has_a_file_of_its_own_and_the_longest_come_last() -> None:
    arms = "longer,tfidf,base,adapted,in-domain,cross-domain"
    text, labels = ("a.txt",), (200, 100, 200)
    design = design_of(arms, in_domain=text, cross_domain=text, label_budgets=labels)
    cells, count = design.cells, len(built_in_arms(make(CompareArgs).texts))
    assert len(cells) == 5 * 2 * count == len({cell.path(Path("study")) for cell in cells})
    assert [cell.labels for cell in cells[:12]] == [100] * 6 + [200] * 6
    assert cells[5].arm == cells[11].arm == "longer"


@pytest.mark.parametrize(
    ("arms", "values"),
    [("base,adapted,in-domain", {}), ("base,adapted", {"cross_domain": ("a.txt",)})],
)
def test_an_arm_and_its_text_belong_together(arms: str, values: dict[str, Any]) -> None:
    with pytest.raises(SteepError, match="domain and its text belong together"):
        design_of(arms, **values)


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ("base,adapted,adepted", "'adepted'. Did you mean 'adapted'\\? The arms are tfidf, base"),
        ("base,adapted,feature", "there is no arm 'feature'. Did you mean 'features'\\?"),
        ("base,adapted,xyz", "no arm 'xyz'. The arms are .*; a recipe .*sun2019.*; or a TOML file"),
        ("base,adapted,missing.toml", "missing.toml: there is no such file"),
        ("base", "needs base and adapted"),
        ("tfidf,adapted", "needs base and adapted"),
        (",", "needs base and adapted"),
    ],
)
def test_a_study_that_compares_nothing_is_refused(arms: str, message: str) -> None:
    with pytest.raises(SteepError, match=message):
        design_of(arms)


def test_a_recipe_is_an_arm(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text("[fit]\nepochs = 7\nweight-decay = 0.5")
    study = {"epochs": 2, "max_length": 32, "max_grad_norm": 3.0}
    design = design_of(f"base,adapted,features,{own}", seeds=1, **study)
    assert [cell.arm for cell in design.cells] == ["base", "adapted", "features", "mine"]
    base, adapted, features, mine = map(design.tune_of, design.arms)
    assert base == adapted == make(TuneArgs, **study)
    assert mine == change(base, {"epochs": 7, "weight_decay": 0.5})
    assert (features.layers.unfreeze, features.optimiser.rate) == ("never", 3e-3)
    assert features.epochs.epochs == 50
    assert (features.length, features.optimiser.max_grad_norm) == (base.length, 3.0)
    assert design.notes()[1] == "arm mine: base with epochs 7, weight_decay 0.5"
    assert list(design.step2_arms) == ["adapted"]


def test_an_arm_may_have_a_step_2_of_its_own(tmp_path: Path) -> None:
    words, both, same = (tmp_path / f"{name}.toml" for name in ("words", "both", "same"))
    words.write_text("[adapt]\nmasking = 'word'")
    both.write_text("[adapt]\nmasking = 'word'\n[fit]\nepochs = 9")
    same.write_text("[adapt]\n[fit]\nepochs = 9")
    arms = f"base,{same},{both},{words},adapted"
    design = design_of(arms, epochs=3, adapt={"mlm_probability": 0.3, "epochs": 2})
    step2 = {arm.name: design.step2_of(arm) for arm in design.arms}
    assert step2["base"] is None
    assert step2["adapted"] == step2["same"]
    assert step2["words"] == step2["both"] != step2["adapted"]
    assert step2["words"].options == change(design.pretrain, {"masking": "word"})
    assert step2["words"].options.objective.mlm_probability == 0.3
    assert design.step2_arms == {
        **{"adapted": "adapted", "same": "adapted"},
        **{"both": "both", "words": "both"},  # one run, one folder for both
    }
    epochs = {arm.name: design.tune_of(arm).epochs.count for arm in design.arms}
    assert epochs == {"base": 3, "adapted": 3, "words": 3, "both": 9, "same": 9}
    assert [arm.name for arm in design.arms if arm.rival] == ["same", "both", "words"]
    assert design.notes() == [
        "arm same: adapted, fine-tuned with epochs 9",
        "arm both: step 2 with masking word, fine-tuned with epochs 9",
        "arm words: step 2 with masking word",
    ]


def test_arms_that_read_other_texts_share_no_step_2(tmp_path: Path) -> None:
    design = design_of("base,adapted,in-domain", in_domain=("a.txt",))
    assert design.step2_arms == {"adapted": "adapted", "in-domain": "in-domain"}


def test_a_finished_step_2_serves_those_that_change_nothing_of_it(tmp_path: Path) -> None:
    same, other = tmp_path / "same.toml", tmp_path / "other.toml"
    same.write_text("[adapt]\n[fit]\nepochs = 9")
    other.write_text("[adapt]\nmasking = 'token'")  # the default, but perhaps not the folder's
    args = make(CompareArgs, arms=f"base,adapted,{same},{other},in-domain", in_domain=("a.txt",))
    design = replace(plan_design(args), given=Path("done"))
    assert [step2.given for arm in design.arms if (step2 := design.step2_of(arm))] == [
        *(Path("done"), Path("done"), None, None)
    ]


def test_how_long_step_2_is() -> None:
    assert design_of("base,adapted").pretrain == PretrainArgs()
    minutes = design_of("base,adapted", minutes=3, adapt={"minutes": 5, "masking": "span"}).pretrain
    assert (minutes.budget.minutes, minutes.objective.masking) == (3, "span")
    with pytest.raises(SteepError, match="'epochs' 2 and 'minutes' 3: only one of epochs"):
        design_of("base,adapted", minutes=3, adapt={"epochs": 2})


def test_the_length_of_an_arms_step_2_replaces_the_studys(tmp_path: Path) -> None:
    own = tmp_path / "long.toml"
    own.write_text("[adapt]\nepochs = 3")
    design = design_of(f"base,adapted,{own}", minutes=5)
    long = design.step2_of(design.arm("long"))
    assert (long.options.passes.epochs, long.options.budget.minutes) == (3, None)
    own.write_text("[adapt]\nprobe = false")
    with pytest.raises(SteepError, match="arm long: option 'best_by' is probe"):
        design_of(f"base,adapted,{own}", adapt={"best_by": "probe", "probe": True})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("own", "[fit]\nepoch = 3", r"own.toml: \[fit\]: there is no option 'epoch'. .* 'epochs'"),
        ("own", "[fit]\nmodel = 'other'", r"\[fit\]: option 'model' is the same for all arms"),
        ("own", "[fit]\ntest_share = 0.5", "option 'test_share' is the same for all arms"),
        ("own", "[fit]\nmetric = 'auc'", "option 'metric' is the same for all arms of a study; gi"),
        ("own", "[fit]\nminutes = 5", r"own.toml: \[fit\]: there is no option 'minutes'"),
        ("own", "[adapt]\nseed = 5", r"own.toml: \[adapt\]: option 'seed' is the same for all"),
        ("own", "[adapt]\nbatch_size = 5", r"\[adapt\]: there is no option 'batch_size'.*_tokens'"),
        ("own", "[adapt]\nepochs = 2\nminutes = 5", "only one of epochs, max_steps and minutes"),
        ("own", "[adpat]\nepochs = 2", r"not of \[adpat\]. Did you mean 'adapt'\?"),
        ("own", "[fit]", r"own.toml: an arm is a table \[adapt\] or \[fit\] of options, or both"),
        ("longer", "[fit]\nepochs = 3", "'longer' is another arm; rename the file"),
        ("features", "[fit]\nepochs = 3", "two of them are called 'features'"),
    ],
)
def test_a_file_that_is_no_arm(tmp_path: Path, name: str, content: str, message: str) -> None:
    own = tmp_path / f"{name}.toml"
    own.write_text(content)
    with pytest.raises(SteepError, match=message):
        design_of(f"base,adapted,features,{own}")


def guess(share: float, cell: CellInput) -> CellOutput:
    raise NotImplementedError


def learn(job: Step2Job) -> None:
    raise NotImplementedError


def test_an_arm_may_be_anyones() -> None:
    arm = Arm("guess", "guesses", partial(guess, 0.5), pretrain=learn, rival=True)
    args = make(CompareArgs, arms="base,adapted,guess")
    design = plan_design(args, [arm])
    assert design.names == ("base", "adapted", "guess")
    assert design.step2_arms == {"adapted": "adapted", "guess": "guess"}
    with pytest.raises(SteepError, match="there is no arm 'guess'"):
        plan_design(args)
    with pytest.raises(SteepError, match="two arms called 'base'"):
        plan_design(args, [Arm("base", "another", partial(guess, 0.5))])
    for one in (arm, *built_in_arms(args.texts)):
        assert pickle.loads(pickle.dumps(one)).name == one.name
