"""What do the results rest on? The data, the notes, the machine and the versions of any run."""

from typing import Any

from steep.reports.blocks import Block, Command, Facts, Notes, Section, Table
from steep.reports.words import count, counted, duration, listed

LABELS = 20
PURPOSE = {"train": "training", "valid": "validation", "test": "testing"}


def data(manifest: dict[str, Any], notes: list[str]) -> Section:
    """Files, parts and labels, and everything that was dropped, truncated or found twice."""
    found = manifest.get("data", {})
    blocks: list[Block] = []
    if found.get("files"):
        rows = [(f["name"], count(f.get("rows")), f.get("fingerprint", "")) for f in found["files"]]
        blocks.append(Table("Files", ("file", "rows", "fingerprint"), "lrl", rows))
    if any(found.get("labels", {}).values()):
        blocks.append(_labels(found["labels"]))
    if notes:
        blocks.append(Notes("Notes of the run", list(dict.fromkeys(notes))))
    parts = [
        f"{rows:,} for {PURPOSE.get(part, part)}" for part, rows in found.get("parts", {}).items()
    ]
    return Section("Data", blocks, f"Labelled rows: {listed(parts)}." if parts else "")


def reproduction(manifest: dict[str, Any], line: str, seeds: list[int]) -> Section:
    """The command, the seeds, the machine and the versions."""
    facts = [
        ("seeds" if len(seeds) > 1 else "seed", ", ".join(map(str, seeds))),
        ("checkpoint", manifest.get("base")),
        ("machine", manifest.get("machine")),
        ("device", manifest.get("device")),
        ("precision", manifest.get("precision")),
        ("started", manifest.get("started")),
        ("took", duration(manifest["seconds"]) if "seconds" in manifest else None),
        *manifest.get("versions", {}).items(),
    ]
    blocks: list[Block] = [Command(line), Facts([(name, str(v)) for name, v in facts if v])]
    return Section("How to reproduce", blocks)


def _labels(labels: dict[str, dict[str, int]]) -> Table:
    """Rows of every label by part, the most frequent in the first part on top."""
    parts = list(labels)
    names = list(dict.fromkeys(name for part in parts for name in labels[part]))
    names.sort(key=lambda name: -labels[parts[0]].get(name, 0))
    rows = [(name, *(count(labels[part].get(name, 0)) for part in parts)) for name in names]
    cut = f"The {LABELS} most frequent of {counted(len(names), 'label')}."
    return Table(
        caption="Rows of every label",
        columns=("label", *parts),
        align="l" + "r" * len(parts),
        rows=rows[:LABELS],
        note=cut if len(names) > LABELS else "",
    )
