"""`phoserve bench`: throughput of the platform on this machine, next to its peers and the limit."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.commands.up import BUNDLED_MODEL
from cli.progress import ConsoleReporter
from loadtests.benchmark import embedding
from loadtests.benchmark.contenders import PLATFORM
from loadtests.benchmark.processor import CORE_MS
from loadtests.benchmark.report import write_results
from loadtests.benchmark.results import Results, compare
from loadtests.benchmark.texts import Texts
from loadtests.benchmark.workloads import Kind
from phoserve.contract import load_contract
from phoserve.errors import InvalidInput, PhoserveError
from phoserve.serving.encoders import cores

JsonLines = Annotated[Path | None, typer.Option(help="JSON lines, .gz or not; generated from the samples by default.")]


def bench(
    model: Annotated[Path, typer.Option(help="Model folder.")] = BUNDLED_MODEL,
    out: Annotated[Path, typer.Option(help="Folder for results, plots and report.")] = Path("bench-results"),
    precision: Annotated[list[str] | None, typer.Option(help="Precisions of the model; all by default.")] = None,
    clients: Annotated[list[int] | None, typer.Option(help="Concurrent clients.")] = None,
    workload: Annotated[list[Kind] | None, typer.Option(help="Workloads; all by default.")] = None,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds over all contenders.", min=1)] = 3,
    seconds: Annotated[float, typer.Option(help="Seconds of each run.")] = 8.0,
    queries: JsonLines = None,
    passages: JsonLines = None,
    peers: Annotated[Path | None, typer.Option(help="Python of the peers' environment (docs/benchmarks.md).")] = None,
    source: Annotated[Path | None, typer.Option(help="Hugging Face folder of the model, for the peers.")] = None,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Only print the changes between two results.")
    ] = None,
) -> None:
    """Measure embedding through the REST API by clients and text length: the median of interleaved rounds."""
    if compare:
        print_changes(Results.read(compare[0]), Results.read(compare[1]))
        return
    if peers and not source:
        raise InvalidInput("--peers need --source, the folder the model was exported from")
    report = ConsoleReporter()
    texts = Texts.load(queries, passages)
    plan = embedding.EmbeddingPlan(
        model=model,
        precisions=precision or [each for each in load_contract(model).precisions if each in ("fp32", "int8")],
        kinds=workload or list(Kind),
        clients=clients or [1, 8, 32],
        rounds=rounds,
        seconds=seconds,
        peers=embedding.Peers(peers, source) if peers and source else None,
    )
    settings = {"model": load_contract(model).name, "texts": texts.source, "rounds": rounds, "seconds": seconds}
    results = Results(settings | {"threads": cores(), "precisions": plan.precisions, "query_cache": "off"})
    with tempfile.TemporaryDirectory(prefix="phoserve-bench-") as work:
        embedding.measure(plan, texts, Path(work), results, report)
    print_rates(results)
    print_ratios(results)
    print_profile(results)
    report.tell("written", f"{', '.join(write_results(results, out))} are in {out}")


def print_rates(results: Results) -> None:
    """Print the medians of rates and times."""
    table = Table("workload", "contender", "clients", "texts/s", "p50 ms", "p95 ms", "p99 ms", "errors", "MB")
    for (_, workload, contender, clients), figures in results.medians().items():
        names = ("ms_p50", "ms_p95", "ms_p99", "errors", "resident_mb")
        cells = [f"{figures[name]:.0f}" if name in figures else "" for name in names]
        table.add_row(workload, contender, str(clients or ""), f"{figures['texts_per_s']:.2f}", *cells)
    Console().print(table)


def print_ratios(results: Results) -> None:
    """Print the speedup of the platform over each peer."""
    table = Table("workload", "contender", "clients", "times the texts/s of", title="Round by round")
    for (_, workload, contender, clients), others in results.ratios().items():
        if contender.startswith(PLATFORM):
            named = ", ".join(f"{name} {ratio:.2f}" for name, ratio in others.items())
            table.add_row(workload, contender, str(clients), named)
    Console().print(table)


def print_profile(results: Results) -> None:
    """Print the medians of each part's CPU time."""
    table = Table("workload", "contender", "clients", "CPU ms per text", title="CPU time by part")
    for (_, workload, contender, clients), figures in results.medians().items():
        spent = {name.removeprefix(CORE_MS): ms for name, ms in figures.items() if name.startswith(CORE_MS)}
        parts = ", ".join(f"{part} {ms:.2f}" for part, ms in spent.items())
        table.add_row(workload, contender, str(clients or ""), parts)
    Console().print(table)


def print_changes(before: Results, after: Results) -> None:
    """Print every figure of both results, and its ratio."""
    table = Table("what", "figure", "before", "after", "ratio")
    for key, name, old, new in compare(before, after):
        ratio = f"{new / old:.2f}" if old else ""
        table.add_row(" · ".join(map(str, key[1:])), name, f"{old:.2f}", f"{new:.2f}", ratio)
    Console().print(table)


def main() -> None:
    """Run the command line. A domain error ends it with its message and status 1."""
    try:
        typer.run(bench)
    except PhoserveError as error:
        typer.echo(f"phoserve: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
