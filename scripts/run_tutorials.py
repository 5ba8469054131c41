"""How are the tutorials run, and their outputs kept? Each in a fresh folder, from its first cell.

python -m scripts.run_tutorials [NAME ...]
"""

import hashlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient

from scripts.tutorial_files import write_files

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tutorials"
DATA = ROOT.parent / "shared" / "data"  # what stands for a user's own files is made of these
SECONDS = 3600  # that a cell may take on a busy machine
VOLATILE = ("execution", "papermill")  # metadata of a run, of no use to a reader


def executed(path: Path, folder: Path, sizes: Mapping[str, Any] | None = None) -> Any:
    """The notebook with the outputs of a run in `folder`, which is laid out like the repository.

    `sizes` are other values for its parameters. Raises CellExecutionError where a cell fails, and
    FileNotFoundError where the data of a tutorial on a user's own files are not there.
    """
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    for name, value in (sizes or {}).items():
        cell.source, found = re.subn(f"(?m)^{name} = .*$", f"{name} = {value!r}", cell.source)
        assert found == 1, f"{path.name} has no parameter {name}"
    place = folder / FOLDER.name
    place.mkdir()
    (folder / "docs").symlink_to(ROOT / "docs")
    write_files(path.stem, DATA, place)
    how: dict[str, Any] = {"timeout": SECONDS, "kernel_name": "python3", "coalesce_streams": True}
    client = NotebookClient(notebook, resources={"metadata": {"path": str(place)}}, **how)
    return client.execute()


def sources_of(notebook: Any) -> str:
    """A hash of the code, cell by cell: outputs belong to it, and prose may be mended."""
    whole = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(whole.encode()).hexdigest()


def main(names: list[str]) -> None:
    """Run the tutorials of these names (none: all), and write their outputs."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        try:
            with TemporaryDirectory() as folder:
                notebook = executed(path, Path(folder))
        except FileNotFoundError as missing:
            print(f"{path.name}: left as it is, for want of {missing.filename}")
            continue
        for cell in notebook.cells:
            for name in VOLATILE:
                cell.metadata.pop(name, None)
            if cell.cell_type == "code":  # warnings of other packages, with paths of this machine
                cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
        notebook.metadata["steep"] = {"sources": sources_of(notebook)}
        nbformat.write(notebook, path)
        print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
