"""What do the results rest on? The data, the notes, the machine and the versions of any run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from steep.reports.blocks import Block, Facts, Notes, Page, Section
from steep.reports.folder import RunFolder, StudyFolder
from steep.reports.reproduce import commands_again
from steep.run_tables import data_tables, parts_in_words
from steep.wording import counted, duration


def with_background(
    page: Page, found: RunFolder | StudyFolder, options: type[Any], panels: Sequence[Section]
) -> Page:
    """The page of a stage with further sections, and with what every page has around it.

    `options` is the composition of the stage's options.
    """
    manifest = found.manifest
    stage = manifest.get("command", manifest["stage"])
    seeds = counted(len(found.seeds), "seed") if len(found.seeds) > 1 else ""
    origin = (f"steep {stage}", found.name, seeds, duration(manifest.get("seconds")))
    return replace(
        page,
        title=f"{found.name}: steep {stage}",
        origin=" · ".join(part for part in origin if part),
        sections=[*page.sections, *panels, _data(found), _reproduction(found, options)],
        footer=f"Written by steep {manifest.get('versions', {}).get('steep', '')}".strip(),
    )


def _data(found: RunFolder | StudyFolder) -> Section:
    """Files, parts and labels, and everything that was dropped, truncated or found twice."""
    data = found.manifest.get("data", {})
    blocks: list[Block] = list(data_tables(data))
    if found.notes:
        blocks.append(Notes("Notes of the run", list(dict.fromkeys(found.notes))))
    return Section("Data", blocks, parts_in_words(data))


def _reproduction(found: RunFolder | StudyFolder, options: type[Any]) -> Section:
    """The command, the seeds, the machine and the versions."""
    manifest, seeds = found.manifest, found.seeds
    facts = [
        ("seeds" if len(seeds) > 1 else "seed", ", ".join(map(str, seeds))),
        ("checkpoint", manifest.get("base")),
        ("machine", manifest.get("machine")),
        ("device", manifest.get("device")),
        ("precision", manifest.get("precision")),
        ("started", manifest.get("started")),
        ("duration", duration(manifest["seconds"]) if "seconds" in manifest else None),
        *manifest.get("versions", {}).items(),
    ]
    known = Facts([(name, str(value)) for name, value in facts if value])
    again = commands_again(manifest, options, f"{found.name}/", found.model, found.sources)
    return Section("How to reproduce", [*again, known])
