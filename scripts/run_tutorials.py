"""How are the tutorials run, and their outputs kept? Each in a fresh folder, from its first cell.

python -m scripts.run_tutorials [NAME ...]
"""

import hashlib
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "tutorials"
SECONDS = 900  # that a cell may take on a busy machine
VOLATILE = ("execution", "papermill")  # metadata of a run, of no use to a reader


def executed(path: Path, folder: Path) -> Any:
    """The notebook with the outputs of a run in `folder`; CellExecutionError where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    how: dict[str, Any] = {"timeout": SECONDS, "kernel_name": "python3"}
    client = NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **how)
    return client.execute()


def sources_of(notebook: Any) -> str:
    """A hash of all cells, as they are written: outputs belong to it."""
    whole = "\0".join(f"{cell.cell_type}\0{cell.source}" for cell in notebook.cells)
    return hashlib.sha256(whole.encode()).hexdigest()


def main(names: list[str]) -> None:
    """Run the tutorials of these names (none: all), and write their outputs."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        with TemporaryDirectory() as folder:
            notebook = executed(path, Path(folder))
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
