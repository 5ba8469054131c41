"""What does the card of a model say of bias? The finding in a sentence, and its groups."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steep import runs
from steep.args.kept import kept_options
from steep.args.training import ModelArgs
from steep.console import say
from steep.shelf.bias.bias_page import groups_table
from steep.shelf.bias.sentences import ABSENCE, headline, small
from steep.stages.fit import amend


def into_card(model: Path, found: Mapping[str, Any]) -> None:
    """Write the findings about `model`, a folder of `steep fit`, into its results and its card.

    Raises SteepError where it is no such folder, or cannot be written.
    """
    manifest = runs.read_manifest(model, "fit")
    results = runs.read_json(model / runs.RESULTS)
    lead = [headline(found, found["arms"][0])[1], *small(found), ABSENCE]
    results["bias"] = {"lead": " ".join(lead), "table": vars(groups_table(found))}
    start = kept_options(ModelArgs, manifest["args"], str(model / runs.MANIFEST))
    amend(model, model.resolve().name, manifest, results, start)
    say(f"card: {model / runs.CARD}")
