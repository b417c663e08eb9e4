"""The README of an exported model: source, usage, and parity of its graphs."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from export.parity import Parity
from export.processor import instruction_set
from export.sources import Source
from phoserve.contract import ModelContract, Task

_OUTPUT: Final[dict[Task, str]] = {"embed": "vector | {dim} numbers, unit length", "rerank": "score | one logit"}
_EXPLAINED: Final[dict[Task, str]] = {
    "embed": """Cosines of {texts} Vietnamese texts of all lengths to the vectors of the source model in float32;
"batch invariance" is the lowest cosine between the vectors of one text alone, in a batch of texts of its length, and in
a batch of texts of all lengths.""",
    "rerank": """Agreement on {texts} pairs of texts of all lengths with the source model in float32: 1 minus the
difference of the two logits, in standard deviations of the source's logits; "batch invariance" is the lowest agreement
between the logits of one pair alone, in a batch of pairs of its length, and in a batch of pairs of all lengths.""",
}


def write_model_card(path: Path, source: Source, contract: ModelContract, table: Sequence[Parity]) -> None:
    """Write the card to `path`."""
    revision = f", revision `{source.revision}`" if source.revision else ""
    today = datetime.datetime.now(datetime.UTC).date()
    path.write_text(
        f"""# {contract.name}

Exported on {today} from `{source.name}`{revision}. The license is that of the source.

| | |
|---|---|
| {_OUTPUT[contract.task].format(dim=contract.dim)} |
| longest text | {contract.max_tokens} tokens |
| family | {contract.family}, weights stored in {contract.dtype} |
| pooling | {_pooling(contract)} |
| prefix of queries, of passages | `{contract.query_prefix!r}`, `{contract.passage_prefix!r}` |
| shorter dimensions | {", ".join(map(str, contract.dims)) or "none"} |
| tokenizer | {contract.tokenizer} |
| segmenter | {contract.segmenter} |
| source weights, SHA-256 | `{contract.weights_sha256}` |
| tokenizer, SHA-256 | `{contract.tokenizer_sha256}` |
| fingerprint | `{contract.fingerprint}` |
| checked on a processor with | {instruction_set()} |

## Parity with PyTorch

{_EXPLAINED[contract.task].format(texts=table[0].texts)} The loss of nDCG@10 is 0 without a labelled set.

{parity_table(table)}
""",
        encoding="utf-8",
    )


def _pooling(contract: ModelContract) -> str:
    return contract.pooling + "".join(f", then a projection to {width}" for width in contract.dense)


def parity_table(table: Sequence[Parity]) -> str:
    """Format the rows as a Markdown table."""
    lines = [
        "| precision | mean | worst | batch invariance | gate (mean / worst / invariance) | nDCG@10 lost | served |",
        "|---|--:|--:|--:|---|--:|---|",
    ]
    for row in table:
        gate = row.gate
        name = f"{row.precision} ({row.scheme})" if row.scheme else row.precision
        lines.append(
            f"| {name} | {row.mean:.6f} | {row.worst:.6f} | {row.batch_invariance:.6f} "
            f"| {gate.mean} / {gate.worst} / {gate.batch_invariance} "
            f"| {row.ndcg_loss:.4f} | {'yes' if row.passed else 'no'} |"
        )
    return "\n".join(lines)
