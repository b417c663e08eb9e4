"""Compare an exported graph with the PyTorch reference, and decide whether it may be served."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import torch

from export.checkpoint import Checkpoint
from export.padded import PooledEncoder
from export.quantize import Bits
from phoserve.contract import Task
from phoserve.serving import TextEncoder
from phoserve.serving.encoders import PAD_ID, Ids, Vectors, padded
from phoserve.serving.onnx import OnnxEncoder

SENTENCES: Final = (
    "Nhân viên chính thức được nghỉ phép mười hai ngày mỗi năm.",
    "Làm thế nào để đặt lại mật khẩu hộp thư công ty?",
    "Hà Nội là thủ đô của nước Việt Nam.",
    "Sản phẩm được bảo hành 24 tháng kể từ ngày mua.",
    "Trời hôm nay mưa to, đường Nguyễn Trãi ngập gần nửa mét!",
    "Giá vé khứ hồi TP. Hồ Chí Minh - Đà Nẵng là 2.350.000 đồng.",
    "Xem hướng dẫn tại https://example.com/huong-dan?muc=3#a.",
    "Gửi thư tới hotro@example.com trước 17h30 ngày 05/09/2024.",
    "Các nhà khoa học vừa công bố một nghiên cứu mới về khí hậu.",
    "ok 👍 cảm ơn bạn nhiều nhé 🙂",
    "Điều 15. Người lao động có quyền đơn phương chấm dứt hợp đồng.",
    "The quarterly report sẽ được gửi vào thứ Hai.",
    "Hoà bình, thuỷ điện, khoẻ mạnh; hòa bình, thủy điện, khỏe mạnh.",
    "Tie\u0302\u0301ng Vie\u0323\u0302t vie\u0302\u0301t ro\u031b\u0300i.",
    "Bà ngoại kể chuyện cổ tích cho các cháu nghe mỗi tối.",
    "3,14159; 1/3; 50%; -40°C; x² + y² = z².",
)
Item = TypeVar("Item")

LONGEST: Final = 40  # sentences: far beyond 256 tokens
BATCH: Final = 8


@dataclass(frozen=True, slots=True)
class ParityGate:
    """The minimum agreement with the reference, and of a text across batches, of a precision that may be served.

    For vectors that is the cosine; for a cross-encoder's logits see `closeness`.
    """

    mean: float
    worst: float
    batch_invariance: float = 0.9999


MOST_NDCG_LOSS: Final = 0.01
GATES: Final = {
    "fp32": ParityGate(mean=0.99999, worst=0.99999),
    "plain": ParityGate(mean=0.99999, worst=0.99999),
    "fp16": ParityGate(mean=0.9995, worst=0.999),
    "int8": ParityGate(mean=0.995, worst=0.98),
}
RERANK_GATES: Final = {
    "fp32": ParityGate(mean=0.9999, worst=0.999, batch_invariance=0.999),
    "plain": ParityGate(mean=0.9999, worst=0.999, batch_invariance=0.999),
    "fp16": ParityGate(mean=0.99, worst=0.95, batch_invariance=0.95),
    "int8": ParityGate(mean=0.95, worst=0.8, batch_invariance=0.99),
}


@dataclass(frozen=True, slots=True)
class Parity:
    """One row of the parity table."""

    precision: str
    mean: float
    worst: float
    batch_invariance: float
    texts: int
    ndcg_loss: float = 0.0
    """The loss of nDCG@10 compared with float32 on the labelled set, 0 without one."""
    task: Task = "embed"
    scheme: str = ""
    """How the weights are stored, where a precision has several candidates."""
    bits: Bits = 7

    @property
    def gate(self) -> ParityGate:
        return (GATES if self.task == "embed" else RERANK_GATES)[self.precision]

    @property
    def passed(self) -> bool:
        gate = self.gate
        close = self.mean >= gate.mean and self.worst >= gate.worst and self.batch_invariance >= gate.batch_invariance
        return close and self.ndcg_loss <= MOST_NDCG_LOSS


def parity_texts(count: int = 200) -> list[str]:
    """Return `count` fixed texts of all lengths. The shortest is empty, the longest is truncated by every model."""
    random = np.random.default_rng(0)
    texts = ["", "a", *SENTENCES]
    while len(texts) < count:
        length = int(random.integers(1, 8)) if len(texts) % 8 else int(random.integers(8, LONGEST))
        texts.append(" ".join(random.choice(SENTENCES) for _ in range(length)))
    return texts[:count]


def tokenize_texts(pipeline: TextEncoder[Item], texts: Sequence[Item]) -> list[Ids]:
    """Tokenize each text or pair of texts."""
    batch = pipeline.encode(texts)
    return [batch.ids[start:end] for start, end in itertools.pairwise(batch.offsets)]


def reference_vectors(checkpoint: Checkpoint, texts: Sequence[Ids]) -> Vectors:
    """Return the vectors that PyTorch computes, float32 (texts, dim)."""
    module = PooledEncoder(checkpoint)

    def encode(ids: Ids, lengths: Ids) -> Vectors:
        with torch.no_grad():
            vectors: Vectors = module(torch.from_numpy(padded(ids, lengths, checkpoint.padding_id))).numpy()
        return vectors

    return encode_in_batches(texts, encode)


def measure(
    precision: str,
    graph: Path,
    texts: Sequence[Ids],
    reference: Vectors,
    task: Task = "embed",
    *,
    padding_id: int = PAD_ID,
) -> Parity:
    """Compare `graph` with the `reference` vectors, and with itself when the texts come in other batches."""
    encode = partial(OnnxEncoder(graph).encode, padding_id=padding_id)
    vectors = encode_in_batches(texts, encode)
    # In the order given, texts of all lengths meet in one batch; alone is the other extreme.
    mixed = encode_in_batches(texts, encode, by_length=False)
    some = range(0, len(texts), 4)
    alone = np.concatenate([encode(texts[index], _lengths([texts[index]])) for index in some])
    agreement = cosine if task == "embed" else partial(closeness, unit=float(reference.std()))
    found = agreement(vectors, reference)
    batch_invariance = min(agreement(mixed, vectors).min(), agreement(alone, vectors[list(some)]).min())
    return Parity(precision, float(found.mean()), float(found.min()), float(batch_invariance), len(texts), task=task)


def cosine(left: Vectors, right: Vectors) -> Vectors:
    """Return the cosine of each pair of rows."""
    left, right = left.astype(np.float64), right.astype(np.float64)
    products: Vectors = (left * right).sum(1) / (np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1))
    return products


def closeness(left: Vectors, right: Vectors, *, unit: float) -> Vectors:
    """Return 1 minus the difference of each pair of logits in units of the reference's standard deviation."""
    return 1 - np.abs(left[:, 0] - right[:, 0]) / unit


def encode_in_batches(
    texts: Sequence[Ids], encode: Callable[[Ids, Ids], Vectors], *, by_length: bool = True
) -> Vectors:
    """Compute vectors in batches, by default of texts with similar length, and return them in the order of `texts`."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index])) if by_length else list(range(len(texts)))
    found: dict[int, Vectors] = {}
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        vectors = encode(np.concatenate([texts[index] for index in batch]), _lengths([texts[index] for index in batch]))
        found.update(zip(batch, vectors, strict=True))
    return np.stack([found[index] for index in range(len(texts))])


def _lengths(texts: Sequence[Ids]) -> Ids:
    return np.array([len(ids) for ids in texts], np.int32)
