"""What do layers that do not learn give for a row? Computed once, then read from a file.

A frozen layer has no dropout, so what it gives for a row is a constant. The lowest layers of an
encoder then need not be computed again: they hand on what they gave before, and the rest of the
model (embeddings, masks, position biases, the layers above) runs as ever. A row is known by its
tokens, so batches may come in any order, with any padding.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from steep.models.layers import encoder_layers

KNOWN = (
    *("albert", "bert", "camembert", "deberta-v2", "distilbert", "electra", "modernbert"),
    *("mpnet", "roberta", "xlm-roberta"),
)
"""Model types whose layers give (rows, length, width) and do not look at padding: the tested ones.

A convolution, say, sees the padding beside a row: what it gives depends on the batch.
"""


class Frozen:
    """The outputs of the lowest layers of `model`, kept in files in `folder` that have no name.

    Such a file is gone once nobody reads it, however the process ends. Outputs of depth d are those
    of the d-th layer from the bottom. The lowest `depth` layers are not computed; 0 for none.
    """

    def __init__(self, model: PreTrainedModel, folder: Path | None = None) -> None:
        self.layers, self.folder = encoder_layers(model.base_model), folder
        self.kept: dict[int, Tensor] = {}  # by depth: (tokens of all rows, width)
        self.depth = 0
        self.computing = False  # all positions of the layers are wanted, also of the last one
        self._places: dict[bytes, int] = {}  # of each row, the first of its tokens in `kept`
        self._inputs: dict[str, Tensor] = {}
        self._others = -1  # Nones that a layer gives beside its outputs; -1 where it gives no tuple

    @contextmanager
    def reused(self, inputs: dict[str, Tensor]) -> Iterator[None]:
        """While this lasts, the model computes `inputs`, but for layers whose outputs are kept.

        Of a batch with a row that is not known, all layers are computed.
        """
        self._inputs = inputs
        states = self._known(inputs) if self.depth else None
        with ExitStack() as stack:
            if states is not None:
                stack.enter_context(_instead(self.layers[: self.depth], lambda _: self._as(states)))
            yield

    def compute(
        self, model: Callable[[Tensor], Any], batches: Iterable[Tensor], depths: list[int]
    ) -> None:
        """Keep the outputs at `depths` of all rows of `batches`; `model` reads a batch.

        Starts from outputs further down, where they are kept. Every call has to bring the same
        batches: then it gives the same outputs, bit for bit, wherever it starts from. Raises
        OSError if they cannot be written.
        """
        self.depth = max((depth for depth in self.kept if depth < min(depths)), default=0)
        found: dict[int, Tensor] = {}
        files: dict[int, IO[bytes]] = {}
        with ExitStack() as stack, torch.no_grad():
            for depth in depths:
                files[depth] = stack.enter_context(TemporaryFile(dir=self.folder))
                hook = self.layers[depth - 1].register_forward_hook(self._into(found, depth))
                stack.callback(hook.remove)
            stack.enter_context(_instead(self.layers[max(depths) :], self._as))
            stack.enter_context(self._whole())
            end = 0
            for batch in batches:
                model(batch)
                end = self._write(found, files, end)
            for depth, file in files.items():
                self.kept[depth] = _mapped(file, found[depth])

    @contextmanager
    def _whole(self) -> Iterator[None]:
        self.computing = True
        try:
            yield
        finally:
            self.computing = False

    def forget(self, above: int) -> None:
        """Remove the outputs of layers higher than `above`: those now learn."""
        self.kept = {depth: states for depth, states in self.kept.items() if depth <= above}

    def use(self, most: int) -> None:
        """Let as many of the lowest layers as can be, but not more than `most`, not be computed."""
        self.depth = max((depth for depth in self.kept if depth <= most), default=0)

    def _known(self, inputs: dict[str, Tensor]) -> Tensor | None:
        """(rows, length, width): what is kept of these rows, zero for padding."""
        kept, rows = self.kept[self.depth], list(_rows(inputs))
        if any(key not in self._places for key, _ in rows):
            return None
        states = kept.new_zeros(*inputs["input_ids"].shape, kept.shape[1])
        for state, (key, length) in zip(states, rows, strict=True):
            place = self._places[key]
            state[:length] = kept[place : place + length]
        return states.to(inputs["input_ids"].device)

    def _write(self, found: dict[int, Tensor], files: dict[int, IO[bytes]], end: int) -> int:
        """Add the rows of a batch to the files, each once; returns the number of tokens in them."""
        outputs = {depth: states.cpu() for depth, states in found.items()}
        for number, (key, length) in enumerate(_rows(self._inputs)):
            if self._places.setdefault(key, end) < end:
                continue  # the same text came before
            for depth, states in outputs.items():
                files[depth].write(states[number, :length].view(torch.uint8).numpy().tobytes())
            end += length
        return end

    def _into(self, found: dict[int, Tensor], depth: int) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: Any, output: Any) -> None:
            self._others = len(output) - 1 if isinstance(output, tuple) else -1
            found[depth] = output[0] if isinstance(output, tuple) else output

        return hook

    def _as(self, states: Tensor) -> Any:
        """`states` in the form in which a layer of this model gives them."""
        return states if self._others < 0 else (states, *[None] * self._others)


@contextmanager
def _instead(layers: Iterable[nn.Module], give: Callable[[Tensor], Any]) -> Iterator[None]:
    """While this lasts, `layers` give `give(hidden states)` instead of computing."""
    layers = list(layers)
    for layer in layers:
        layer.forward = lambda hidden, *_, **__: give(hidden)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _rows(inputs: dict[str, Tensor]) -> Iterator[tuple[bytes, int]]:
    """What each row of a batch is known by, and its length without padding, which comes last."""
    lengths = inputs["attention_mask"].sum(1).tolist()
    read = [values.cpu().numpy() for name, values in inputs.items() if name != "attention_mask"]
    for row, length in zip(np.stack(read, 1), lengths, strict=True):
        yield blake2b(row[:, :length].tobytes(), digest_size=16).digest(), length


def _mapped(file: IO[bytes], like: Tensor) -> Tensor:
    """A file of states (tokens, width) of the type of `like`, read where it is needed."""
    file.flush()
    content = np.memmap(file, np.uint8, mode="c")  # torch wants what could be written to
    return torch.from_numpy(content).view(like.dtype).view(-1, like.shape[-1])
