"""Build the graph of a copied shard: `python -m phoserve.adapters.edge.builder PARENT NICE STEP ...`.

Steps: `copy SOURCE TARGET`, with the stamps of the files on standard input, and `optimize SHARD DIM THREADS KILOBYTES`.
The process has the priority NICE and ends with its parent, the process with the id PARENT.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Final

import qdrant_edge as edge

from phoserve.adapters.edge.copying import copy_files, sync_files
from phoserve.adapters.edge.index import shard_config

SEGMENTS: Final = 4
"""New passages get a graph of their own until there are more. Rewriting all of them each time would take far longer."""
GRAPH: Final = edge.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000, payload_m=16)
"""No graph over all collections, one for each that is larger than the threshold in KB: searches are within one."""
_NEVER_KB: Final = 100_000_000
_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Run one step."""
    parent, nice, step, *arguments = sys.argv[1:]
    _end_with(int(parent))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the parent ends this process
    os.setpriority(os.PRIO_PROCESS, 0, int(nice))
    if step == "copy":
        source, target = map(Path, arguments)
        copy_files(source, target, json.load(sys.stdin))
    else:
        shard, dim, threads, kilobytes = arguments
        optimize(Path(shard), int(dim), threads=int(threads), indexing_threshold_kb=int(kilobytes))


def optimize(folder: Path, dim: int, *, threads: int, indexing_threshold_kb: int) -> None:
    """Rewrite segments with many deleted points, and build graphs where they are missing."""
    graph = edge.HnswIndexConfig(
        m=GRAPH.m,
        ef_construct=GRAPH.ef_construct,
        full_scan_threshold=min(GRAPH.full_scan_threshold or 0, indexing_threshold_kb),
        payload_m=GRAPH.payload_m,
        max_indexing_threads=threads,
    )
    optimizers = edge.EdgeOptimizersConfig(
        default_segment_number=SEGMENTS, max_segment_size=_NEVER_KB, indexing_threshold=indexing_threshold_kb
    )
    shard = edge.EdgeShard.load(str(folder), shard_config(dim, optimizers, graph=graph))
    shard.optimize()
    shard.flush()
    shard.close()
    sync_files(folder)


def _end_with(parent: int) -> None:
    """End with the parent, also while the engine holds the interpreter's lock."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the process that started the builder is gone")


if __name__ == "__main__":
    main()
