"""Are the cells those asked for, and are they read as they were written?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from steep import runs
from steep.args import CompareArgs, FitArgs
from steep.data.corpus import Task
from steep.errors import SteepError
from steep.study.design import ARMS, AWD_LSTM, Cell, plan, read, write


def test_cells_come_seed_by_seed() -> None:
    cells = plan(CompareArgs(arms="base, adapted,base", seeds=2, seed=7)).cells
    assert [(cell.arm, cell.seed) for cell in cells] == [
        ("base", 7),
        ("adapted", 7),
        ("base", 8),
        ("adapted", 8),
    ]


def test_every_cell_has_a_file_of_its_own_and_equal_compute_comes_last() -> None:
    text = (Path("a.txt"),)
    args = CompareArgs(
        arms=f"longer,{AWD_LSTM},tfidf,base,adapted,in-domain,cross-domain",
        in_domain=text,
        cross_domain=text,
    )
    cells = plan(replace(args, label_budget=(200, 100, 200))).cells
    assert len(cells) == 5 * 2 * len(ARMS) == len({cell.path(Path("study")) for cell in cells})
    assert [cell.labels for cell in cells[:14]] == [100] * 7 + [200] * 7
    assert cells[6].arm == cells[13].arm == "longer"


@pytest.mark.parametrize(
    "args",
    [CompareArgs(arms="base,adapted,in-domain"), CompareArgs(cross_domain=(Path("a.txt"),))],
)
def test_an_arm_and_its_text_belong_together(args: CompareArgs) -> None:
    with pytest.raises(SteepError, match="domain and its text belong together"):
        plan(args)


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ("base,adapted,adepted", "'adepted'. Did you mean 'adapted'\\? The arms are tfidf, base"),
        ("base,adapted,feature", "there is no arm 'feature'. Did you mean 'features'\\?"),
        ("base,adapted,xyz", "no arm 'xyz'. The arms are .*; a recipe .*sun2019.*; or a TOML file"),
        ("base,adapted,missing.toml", "missing.toml: there is no such file"),
        ("base", "needs base and adapted"),
        ("tfidf,adapted", "needs base and adapted"),
        ("", "needs base and adapted"),
    ],
)
def test_a_study_that_compares_nothing_is_refused(arms: str, message: str) -> None:
    with pytest.raises(SteepError, match=message):
        plan(CompareArgs(arms=arms))


def test_a_recipe_is_an_arm(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text("[fit]\nepochs = 7\nweight-decay = 0.5")
    design = plan(CompareArgs(arms=f"base,adapted,features,{own}", seeds=1))
    assert [cell.arm for cell in design.cells] == ["base", "adapted", "features", "mine"]
    study = FitArgs(epochs=2, max_length=32, clip=3.0)
    assert design.options("base", study) == design.options("adapted", study) == study
    assert design.options("mine", study) == replace(study, epochs=7, weight_decay=0.5)
    frozen = design.options("features", study)
    assert (frozen.unfreeze, frozen.learning_rate, frozen.epochs) == ("never", 1e-2, 50)
    assert (frozen.max_length, frozen.clip) == (32, 3.0)
    assert design.told()[1] == "arm mine: base with epochs 7, weight_decay 0.5"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("own", "epoch = 3", r"own.toml: \[fit\]: there is no option 'epoch'. .* 'epochs'"),
        ("own", "model = 'other'", r"own.toml: \[fit\]: option 'model' is the same for all arms"),
        ("own", "test_share = 0.5", "option 'test_share' is the same for all arms"),
        ("longer", "epochs = 3", "'longer' is another arm; rename the file"),
        ("features", "epochs = 3", "two of them are called 'features'"),
    ],
)
def test_a_recipe_that_is_no_arm(tmp_path: Path, name: str, content: str, message: str) -> None:
    own = tmp_path / f"{name}.toml"
    own.write_text(f"[fit]\n{content}")
    with pytest.raises(SteepError, match=message):
        plan(CompareArgs(arms=f"base,adapted,features,{own}"))


def cell_lines(task: Task, outputs: np.ndarray) -> list[dict]:
    if task.kind == "regression":
        return [{"id": n, "predicted": float(value)} for n, value in enumerate(outputs)]
    names = [f"p_{label}" for label in task.labels]
    return [
        {"id": n} | dict(zip(names, map(float, row), strict=True)) for n, row in enumerate(outputs)
    ]


@pytest.mark.parametrize("kind", ["single", "multi", "regression"])
def test_a_cell_is_read_as_it_was_written(tmp_path: Path, kind: str) -> None:
    task = Task(kind, ("y",) if kind == "regression" else ("a", "b, c", 'd"e'))
    outputs = np.random.default_rng(0).random((4, 3))
    outputs = outputs[:, 0] if kind == "regression" else outputs
    cell = Cell("adapted", 3)
    facts = {"seconds": 1.5, "diverged": True, "test": {}}
    (tmp_path / runs.CELLS).mkdir()
    write(cell, tmp_path, facts, cell_lines(task, outputs))
    found = read(cell, tmp_path, task)
    assert (found.arm, found.seed, found.seconds, found.diverged) == ("adapted", 3, 1.5, True)
    np.testing.assert_array_equal(found.probabilities, outputs)


def test_a_cell_is_finished_only_with_its_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell("base", 0)
    (tmp_path / runs.CELLS).mkdir()

    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(runs, "write_csv", full)
    with pytest.raises(OSError, match="no space"):
        write(cell, tmp_path, {"seconds": 1.0, "diverged": False}, [{"p_a": 1.0}])
    assert not cell.path(tmp_path).exists()
    with pytest.raises(SteepError, match="no such file"):
        read(cell, tmp_path, Task("single", ("a",)))
