"""A copy of a model to give away: weights, tokenizer and card, nothing of the data; or an upload.

A feature that the core does not know. It needs no extra, and no file of train/.
"""

from dataclasses import dataclass

from steep.options import Part, option


@dataclass(frozen=True, kw_only=True)
class SharePart(Part):
    """Sharing."""

    licence: str | None = option(
        None, "Licence of the model, as the hub writes it (apache-2.0), for its card.", common=True
    )
    language: tuple[str, ...] = option(
        (), "Language of the texts (en), for the card (repeatable).", common=True
    )
    upload: str | None = option(
        None, "Also upload it to this model of the Hugging Face hub (owner/name).", common=True
    )
    public: bool = option(False, "A model that the upload makes is public, not private.")


@dataclass(frozen=True, kw_only=True)
class ShareArgs:
    """steep share: a copy of a model without anything of the data."""

    share: SharePart = SharePart()
