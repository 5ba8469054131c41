"""Can what is released be used elsewhere? An sdist, the wheel it gives, installed afresh, run."""

import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEFT_OUT = {"__pycache__"}


@dataclass(frozen=True)
class Release:
    """The wheel, and the environment that it is installed in."""

    wheel: Path
    environment: Path

    def run(self, *words: Path | str, at: Path) -> str:
        """What a program of the environment prints, in the folder `at`, without this checkout."""
        return called(self.environment / "bin" / words[0], *words[1:], at=at)


def called(*words: Path | str, at: Path) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, words)], cwd=at, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Built as it would be published; the dependencies are those that are installed here."""
    folder = tmp_path_factory.mktemp("release")
    build = (sys.executable, "-m", "hatchling", "build", "-d", folder, "-t")
    called(*build, "sdist", at=ROOT)
    (packed,) = folder.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    called(*build, "wheel", at=folder / packed.name.removesuffix(".tar.gz"))
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin" / "python")
    called(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel, at=folder)
    (own,) = environment.glob("lib/python*/site-packages")
    installed = [path for path in sys.path if Path(path).name == "site-packages"]
    (own / "dependencies.pth").write_text("\n".join(installed))
    return Release(wheel, environment)


def test_the_wheel_has_every_file_of_the_package(release: Release) -> None:
    with zipfile.ZipFile(release.wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("steep/")}
    paths = (path.relative_to(ROOT) for path in (ROOT / "steep").rglob("*") if path.is_file())
    assert packed == {path.as_posix() for path in paths if not LEFT_OUT & {*path.parts}}


def test_it_runs_from_a_fresh_environment(
    release: Release, tiny_csv: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    assert "Step 3: fine-tune a classifier" in release.run("steep", "--help", at=tmp_path)
    where = release.run("python", "-c", "import steep; print(steep.__file__)", at=tmp_path)
    assert Path(where.strip()).is_relative_to(release.environment)
    training = "--label label --epochs 1 --max-length 32 --device cpu --precision fp32".split()
    files = (tiny_csv, "--model", tiny_bert, "--out", tmp_path / "model")
    release.run("steep", "fit", *files, *training, at=tmp_path)
    assert (tmp_path / "model" / "model.safetensors").is_file()
    assert (tmp_path / "model" / "README.md").is_file()


def test_the_changelog_knows_the_version() -> None:
    import steep

    headings = [
        line
        for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("## ")
    ]
    assert headings and steep.__version__ in headings[0]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "Operating System :: OS Independent" not in project["classifiers"]  # Linux is what ran
