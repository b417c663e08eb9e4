"""`phoserve eval`: measure retrieval quality on labelled files."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

import export.bundled
from cli.main import app
from phoserve.contract import Fusion
from phoserve.errors import InvalidInput
from phoserve.search.modes import SearchMode

if TYPE_CHECKING:
    from phoserve.search.evaluation import Estimate

BUNDLED_MODEL = Path(export.bundled.__path__[0])
ALL_MODES = ",".join(SearchMode)


@app.command(name="eval")
def evaluate(
    corpus: Annotated[list[Path], typer.Option(help="JSON Lines or CSV of id, title, text; .gz too; may be repeated.")],
    queries: Annotated[Path, typer.Option(help="JSON Lines or CSV of query, positive_id; .gz too.")],
    mode: Annotated[str, typer.Option(help="Comma-separated list of dense, lexical, hybrid.")] = ALL_MODES,
    model: Annotated[Path, typer.Option(help="Model folder; the bundled encoder by default.")] = BUNDLED_MODEL,
    weights: Annotated[str | None, typer.Option(help="DENSE,LEXICAL instead of the model's own.")] = None,
    tune: Annotated[bool, typer.Option(help="Choose the weights on half of the queries, measure on the rest.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Index a corpus, search for labelled queries, print nDCG@10, recall and MRR with 95% intervals by mode."""
    from cli.evaluation import (
        CorpusRow,
        QueryRow,
        candidates_of,
        check_enough,
        labels_of,
        measure,
        tune_weights,
    )
    from cli.progress import ConsoleReporter
    from cli.rows import read_rows

    modes = _modes(mode)
    rows = [row for path in corpus for row in read_rows(path, CorpusRow)]
    labels = labels_of(read_rows(queries, QueryRow), rows)
    if tune:
        check_enough(labels)
    found, own = asyncio.run(candidates_of(model, rows, list(labels), ConsoleReporter()))
    chosen = _weights(weights) if weights else own
    if tune:
        tuning = tune_weights(found, labels, chosen)
        typer.echo(
            f"tuned on half, gain on {tuning.held_out} held-out queries: {tuning.gain.mean:+.3f} "
            f"[{tuning.gain.low:+.3f}, {tuning.gain.high:+.3f}]"
            + ("" if tuning.is_significant else "; not significant, so the weights stay"),
            err=True,
        )
        chosen = tuning.weights if tuning.is_significant else chosen
        labels = {query: labels[query] for query in tuning.held_out_queries}
    results = measure(found, labels, modes, chosen)
    if json:
        answer = {"passages": len(rows), "queries": len(labels), "weights": chosen, "modes": results}
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    else:
        _print(results, chosen, passages=len(rows), queries=len(labels))


def _modes(given: str) -> list[SearchMode]:
    try:
        return [SearchMode(each.strip()) for each in given.split(",")]
    except ValueError:
        raise InvalidInput(f"--mode is a comma-separated list of {ALL_MODES}") from None


def _weights(given: str) -> Fusion:
    try:
        dense, lexical = map(float, given.split(","))
    except ValueError:
        raise InvalidInput("--weights is two numbers with a comma, such as 0.3,0.7") from None
    return Fusion(dense=dense, lexical=lexical)


def _print(results: "dict[str, dict[str, Estimate]]", weights: Fusion, *, passages: int, queries: int) -> None:
    from rich.console import Console
    from rich.table import Table

    blend = f"hybrid = {weights.dense:g} dense + {weights.lexical:g} lexical"
    table = Table(title=f"{queries:,} queries, {passages:,} passages; {blend}")
    metrics = list(next(iter(results.values())))
    table.add_column("mode")
    for metric in metrics:
        table.add_column(metric, justify="right")
    for mode, estimates in results.items():
        cells = [f"{each.mean:.3f} [{each.low:.3f}, {each.high:.3f}]" for each in estimates.values()]
        table.add_row(mode, *cells)
    Console().print(table)
