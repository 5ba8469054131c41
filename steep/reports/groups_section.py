"""Which rows belong together, in how many groups, and what was left out for it? For a reader."""

from collections.abc import Mapping
from typing import Any

from steep.reports.blocks import Section
from steep.run_tables import PARTS, Table
from steep.wording import count, counted, quoted

LEAD = (
    "Rows with the same {column} belong together, such as the sentences of one document, and are "
    "alike. So no group was put into two parts: otherwise the model would be tested on what it "
    "half knows. And groups were counted where the report says how certain a number is: 50 rows of "
    "one document tell less than 50 rows of as many documents."
)
NONE_LEFT_OUT = "No row was left out for this."
LEFT_OUT = "{rows} left out, because another group in a held-out part has the same text."
SHARED = (
    "The given files or splits put rows of one group into two parts. Results on those rows are "
    "better than they would be on new groups."
)


def groups_section(manifest: Mapping[str, Any]) -> Section | None:
    """The section on groups of a run or a study; None where rows were not grouped."""
    found = (manifest.get("data") or {}).get("groups")
    if not found:
        return None
    parts = found["parts"]
    rows = [
        (
            PARTS.get(part, part),
            count(one["groups"]),
            count(one["rows"]),
            count(one["largest"]),
            count(one["shared"]),
        )
        for part, one in parts.items()
    ]
    shared = any(one["shared"] for one in parts.values())
    left_out = found["left_out"]
    note = LEFT_OUT.format(rows=counted(left_out, "row")) if left_out else NONE_LEFT_OUT
    table = Table(
        caption="Groups of rows",
        columns=("", "groups", "rows", "largest group", "rows of a group in another part"),
        align="lrrrr",
        rows=rows,
        note=f"{note} {SHARED}" if shared else note,
    )
    lead = LEAD.format(column=quoted(found["column"]))
    return Section("Rows that belong together", [table], lead)
