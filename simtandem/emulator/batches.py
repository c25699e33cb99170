"""Batches of SIMs as they are delivered, to be registered by their code (BIC)."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Batch:
    """The SIMs of one delivery, by their ids."""

    sim_ids: list[int] = field(default_factory=list)
    registered: bool = False
