"""Fusion weights over the wire."""

from typing import Annotated

from msgspec import Meta, Struct

from phoserve.contract import Fusion
from phoserve.errors import InvalidInput


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights of the normalised scores in hybrid mode."""

    dense: Annotated[float, Meta(ge=0.0, le=100.0)]
    lexical: Annotated[float, Meta(ge=0.0, le=100.0)]


def fusion_of(weights: Weights | None) -> Fusion | None:
    """Return the weights as the library takes them. Raises InvalidInput if both are 0."""
    if weights is None:
        return None
    if weights.dense + weights.lexical <= 0:
        raise InvalidInput("one of the two is above 0", field="weights")
    return Fusion(dense=weights.dense, lexical=weights.lexical)


def weights_view(fusion: Fusion) -> Weights:
    """Return what a client sees of fusion weights."""
    return Weights(dense=fusion.dense, lexical=fusion.lexical)
