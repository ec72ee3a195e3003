"""The keys and values of conversations: what they were made from, how they grow, what of them is reused."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOM = 512
"""Tokens that a layer makes room for beyond what it holds, and at least an eighth of that."""


@dataclass(slots=True)
class Slot:
    """One conversation's keys and values, and the tokens that they were made from."""

    cache: Any
    tokens: list[int] = field(default_factory=list)

    def croppable(self, more: int = 0) -> bool:
        """Say whether tokens can be taken from its end, also when it has so many more."""
        length = len(self.tokens) + more
        return all(_can_be_cut(layer, length) for layer in getattr(self.cache, "layers", ()))

    def crop(self, length: int) -> bool:
        """Keep the first tokens; say whether it could be done. Nothing is done where it cannot."""
        beyond = len(self.tokens) - length
        if beyond > 0:
            if not self.croppable():
                return False
            self.cache.crop(-beyond)
            del self.tokens[length:]
        return True

    def size(self) -> int:
        """Return the bytes of keys and values, the room for more included."""
        layers = getattr(self.cache, "layers", ())
        tensors = [getattr(layer, name, None) for layer in layers for name in ("keys", "values")]
        return sum(int(one.untyped_storage().nbytes()) for one in tensors if one is not None)


def new_slot(config: Any) -> Slot:
    """Return an empty slot for a model with this (text) configuration."""
    cache = importlib.import_module("transformers").DynamicCache(config=config)
    plain = importlib.import_module("transformers.cache_utils").DynamicLayer
    for layer in cache.layers:
        if type(layer) is plain:
            layer.__class__ = _roomy()
    return Slot(cache)


@functools.cache
def _roomy() -> Any:
    """Return the kind of layer that writes new keys and values behind its old ones, into room that is there.

    transformers' own copies all of them for every token.
    """
    plain = importlib.import_module("transformers.cache_utils").DynamicLayer
    return type("RoomyLayer", (plain,), {"update": _update})


def _update(layer: Any, keys: Any, values: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
    """Take new keys and values in, shape (batch, heads, tokens, size); return all that the layer holds."""
    if not layer.is_initialized:
        layer.lazy_initialization(keys, values)
        layer.stores = {}
    held = layer.get_seq_length()
    layer.keys = _appended(layer.stores, "keys", layer.keys, keys, held)
    layer.values = _appended(layer.stores, "values", layer.values, values, held)
    return layer.keys, layer.values


def _appended(stores: dict[str, Any], name: str, old: Any, new: Any, held: int) -> Any:
    size = held + new.shape[-2]
    store = stores.get(name)
    if store is None or store.shape[-2] < size:
        store = new.new_empty((*new.shape[:-2], size + max(ROOM, size // 8), new.shape[-1]))
        if held:
            store[..., :held, :] = old
        stores[name] = store
    store[..., held:size, :] = new
    return store[..., :size, :]


def _can_be_cut(layer: Any, length: int) -> bool:
    """Say whether a layer that holds so many tokens can forget the last ones and knows those before.

    States of other kinds (Mamba, linear attention) hold the past in one lump, and a window that has moved on has
    forgotten what came before; such a model reuses a prefix only when it is the whole cache.
    """
    kind = type(layer).__name__
    moves = kind == "DynamicSlidingWindowLayer"
    return kind in {"RoomyLayer", "DynamicLayer"} or (moves and length < layer.sliding_window)


def common(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many tokens two sequences begin with in common."""
    return next(
        (at for at, (one, other) in enumerate(zip(left, right, strict=False)) if one != other),
        min(len(left), len(right)),
    )
