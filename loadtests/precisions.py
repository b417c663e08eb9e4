"""Compare ways to shrink the CPU graph: speed, closeness to float32, and batch invariance.

    python -m loadtests.precisions MODEL --questions Q.jsonl.gz --passages P.jsonl.gz

MODEL is an exported folder; the variants are made from its float32 graph in a temporary folder. The variants are
interleaved on the same mixed batches. Medians of the rounds are shown.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static

from export.parity import GATES, cosine, tokenize_texts
from export.processor import instruction_set
from loadtests.encoder_limit import read_texts, sample
from phoserve.contract import INPUT_IDS, LENGTHS
from phoserve.serving.encoders import Ids, Vectors
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline

BATCH = 8
CALIBRATION_TEXTS = 16


def main() -> None:
    arguments = _arguments()
    random = np.random.default_rng(0)
    pipeline = TextPipeline.load(arguments.model)
    questions = sample(random, read_texts(arguments.questions, "query"), arguments.count)
    passages = sample(random, read_texts(arguments.passages, "text"), arguments.count // 4)
    kinds = {"questions": tokenize_texts(pipeline, questions), "passages": tokenize_texts(pipeline, passages)}
    with tempfile.TemporaryDirectory(dir=arguments.model.parent) as folder:
        encoders = {
            name: OnnxEncoder(path) for name, path in _variants(arguments.model, Path(folder), [*kinds["questions"]])
        }
        sys.stdout.write(f"instruction set: {instruction_set()}\n")
        rates: dict[tuple[str, str], list[float]] = defaultdict(list)
        vectors: dict[tuple[str, str], Vectors] = {}
        for _ in range(arguments.rounds):
            for kind, texts in kinds.items():
                for name, encoder in encoders.items():
                    started = time.perf_counter()
                    vectors[name, kind] = _encode(encoder, texts, BATCH)
                    rates[name, kind].append(len(texts) / (time.perf_counter() - started))
        for name, encoder in encoders.items():
            closeness = np.concatenate([cosine(vectors[name, kind], vectors["fp32", kind]) for kind in kinds])
            some = kinds["questions"][: 2 * BATCH]
            batch_invariance = cosine(_encode(encoder, some, 1), vectors[name, "questions"][: len(some)]).min()
            speeds = "  ".join(f"{kind} {statistics.median(rates[name, kind]):7.2f}/s" for kind in kinds)
            gate = GATES["int8"]
            passed = (
                closeness.mean() >= gate.mean
                and closeness.min() >= gate.worst
                and batch_invariance >= gate.batch_invariance
            )
            sys.stdout.write(
                f"{name:24} {speeds}  mean {closeness.mean():.5f}  worst {closeness.min():.5f}"
                f"  invariance {batch_invariance:.6f}"
                f"  gate {'passed' if passed else 'failed'}\n"
            )


def _variants(model: Path, folder: Path, texts: Sequence[Ids]) -> Iterator[tuple[str, Path]]:
    exact = model / "onnx" / "fp32.onnx"
    yield "fp32", exact
    yield "int8, scale per token", model / "onnx" / "int8.onnx"
    options: dict[str, Any] = {"weight_type": QuantType.QInt8, "per_channel": True, "op_types_to_quantize": ["MatMul"]}
    # Shapes cannot be inferred through the fused operators, so types are listed.
    extra = {"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT}
    quantize_dynamic(exact, folder / "dynamic.onnx", extra_options=extra, **options)
    yield "int8, dynamic", folder / "dynamic.onnx"
    quantize_static(
        exact, folder / "static.onnx", _Calibration(texts[:CALIBRATION_TEXTS]), extra_options=extra, **options
    )
    yield "int8, static QDQ", folder / "static.onnx"
    try:
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    except ImportError as error:
        sys.stderr.write(f"4-bit blocks are skipped: {error.name} is not installed\n")
        return
    for bits in (4, 8):
        options = {"block_size": 32, "is_symmetric": True, "accuracy_level": 4, "bits": bits}
        quantizer = MatMulNBitsQuantizer(onnx.load(exact), **options)
        quantizer.process()
        path = folder / f"blocks{bits}.onnx"
        onnx.save(quantizer.model.model, path)
        yield f"{bits}-bit blocks of 32", path


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime is not typed
    def __init__(self, texts: Sequence[Ids]) -> None:
        self._inputs = iter({INPUT_IDS: ids, LENGTHS: np.array([len(ids)], np.int32)} for ids in texts)

    def get_next(self) -> dict[str, Ids] | None:
        return next(self._inputs, None)


def _encode(encoder: OnnxEncoder, texts: Sequence[Ids], size: int) -> Vectors:
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]
    return np.concatenate(
        [encoder.encode(np.concatenate(batch), np.array([len(ids) for ids in batch], np.int32)) for batch in batches]
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--count", type=int, default=48, help="questions; a quarter as many passages")
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
