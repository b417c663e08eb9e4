"""Encoder graphs run by ONNX Runtime in this process."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort

from phoserve.contract import INPUT_IDS, LENGTHS, Layout
from phoserve.errors import ConfigurationError
from phoserve.serving.encoders import Ids, Vectors, padded

ERRORS_ONLY: Final = 3


class OnnxEncoder:
    """One loaded graph, packed or padded as its inputs tell; not to be shared between threads."""

    def __init__(self, graph: Path, *, threads: int = 0, providers: Sequence[str] = ("CPUExecutionProvider",)) -> None:
        """Load `graph`; `threads` 0 means one a core this process may use.

        Raises ConfigurationError if the file is not a graph that this ONNX Runtime can run.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.log_severity_level = ERRORS_ONLY
        # Every batch has another shape: planning memory for each would only hoard it.
        options.enable_mem_pattern = False
        try:
            self._session = ort.InferenceSession(str(graph), options, providers=list(providers))
        except Exception as error:  # ONNX Runtime raises a class of its own per status, without a common base
            raise ConfigurationError(f"{graph} cannot be loaded: {error}") from error
        if missing := set(providers) - set(self._session.get_providers()):
            raise ConfigurationError(f"ONNX Runtime has no {' or '.join(missing)} here; is `phoserve[gpu]` installed?")
        inputs = {item.name for item in self._session.get_inputs()}
        self.layout: Layout = "packed" if LENGTHS in inputs else "padded"
        self.output: str = self._session.get_outputs()[0].name

    def run(self, tensors: Mapping[str, Ids]) -> Vectors:
        """The one output, float32 (texts, dim), for the graph's own input tensors."""
        vectors: Vectors = self._session.run([self.output], dict(tensors))[0]
        return vectors

    def encode(self, ids: Ids, lengths: Ids) -> Vectors:
        """Vectors float32 (texts, dim) of packed `ids`, whatever the graph's layout."""
        if self.layout == "packed":
            return self.run({INPUT_IDS: ids, LENGTHS: lengths})
        return self.run({INPUT_IDS: padded(ids, lengths, int(np.max(lengths)))})
