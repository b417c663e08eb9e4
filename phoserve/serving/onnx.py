"""Encoder graphs run by ONNX Runtime in this process."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

import onnxruntime as ort

from phoserve.contract import INPUT_IDS, LENGTHS, Layout
from phoserve.errors import ConfigurationError
from phoserve.serving.encoders import PAD_ID, Ids, Vectors, cores, encoder_inputs

ERRORS_ONLY: Final = 3


class OnnxEncoder:
    """A loaded graph, packed or padded according to its inputs. Several threads may run it concurrently."""

    def __init__(self, graph: Path, *, threads: int = 0, providers: Sequence[str] = ("CPUExecutionProvider",)) -> None:
        """Load `graph`; `threads` 0 means one per core that this process may use.

        Raises ConfigurationError if the file is not a graph that this ONNX Runtime can run.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.log_severity_level = ERRORS_ONLY
        # Every batch has another shape: a memory plan for each would only keep memory.
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
        """Return the output, float32 (texts, dim), for the graph's own input tensors."""
        vectors: Vectors = self._session.run([self.output], dict(tensors))[0]
        return vectors

    def encode(self, ids: Ids, lengths: Ids, padding_id: int = PAD_ID) -> Vectors:
        """Return vectors float32 (texts, dim) of packed `ids`, for either layout of the graph."""
        return self.run(encoder_inputs(self.layout, ids, lengths, padding_id))


class ConcurrentOnnxEncoder:
    """A graph for concurrent calls: a single text uses every core, concurrent calls use an equal share each.

    Threads of one call synchronize at every layer, so one busy core delays all of them. Concurrent calls share nothing.
    The cost is a second copy of the weights.
    """

    def __init__(
        self,
        graph: Path,
        *,
        max_concurrent_calls: int,
        threads: int = 0,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        """Load `graph`; `threads` are those of a single text, 0 means one per core. Raises ConfigurationError."""
        self._single = self._concurrent = OnnxEncoder(graph, threads=threads, providers=providers)
        if max_concurrent_calls > 1 and threads != 1:
            share = max(1, (threads or cores()) // max_concurrent_calls)
            self._concurrent = OnnxEncoder(graph, threads=share, providers=providers)
        self.output = self._single.output
        self._many = max_concurrent_calls > 1
        self._running = 0
        self._lock = Lock()

    def run(self, tensors: Mapping[str, Ids]) -> Vectors:
        """See `OnnxEncoder.run`."""
        texts = len(tensors.get(LENGTHS, tensors[INPUT_IDS]))
        with self._lock:
            encoder = self._concurrent if self._many and (self._running or texts > 1) else self._single
            self._running += 1
        try:
            return encoder.run(tensors)
        finally:
            with self._lock:
                self._running -= 1
