"""The replicas of the stand-in's only shard, of which some may be dead: which reads Qdrant then refuses."""

from dataclasses import dataclass


@dataclass(slots=True)
class Replicas:
    """As measured on Qdrant 1.19: `majority` and `all` need every replica, a number as many live ones."""

    count: int = 3
    dead: int = 0
    consistent_reads: int = 0
    """Reads that asked for consistency, refused or not."""

    def refusal(self, consistency: str | None) -> str | None:
        """Return the error of a read with this consistency; None if it is answered."""
        if consistency is None:
            return None
        self.consistent_reads += 1
        if consistency.isdigit():
            needed = int(consistency)
        else:
            needed = {"quorum": self.count // 2 + 1, "majority": self.count, "all": self.count}[consistency]
        if needed <= self.count - self.dead:
            return None
        return "The replica set for shard 0 on peer 1 does not have enough active replicas"
