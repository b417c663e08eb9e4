"""`python -m training`: train the bundled encoder, and measure any model folder."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import export.bundled
from phoserve.contract import Fusion, load_contract
from phoserve.text.diacritics import MODEL_PATH
from training import bundle
from training.agreement import largest_batch_difference, precisions_agree
from training.diacritics import write_model
from training.labelled import load_held_out, load_set
from training.quality import MODES, Corpus, Encoder, find
from training.recipe import Recipe, make
from training.speed import keep_to_one_core, speeds
from training.tables import Row, choose_fusion, paraphrase_figures, retrieval_table, try_fusion
from training.typed import TYPED

BUNDLED: Final = Path(export.bundled.__path__[0])
DATA: Final = Path("../shared/data")
STANDARD: Final = Recipe()

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()

ModelFolder = Annotated[Path, typer.Argument(help="Folder of a model.", show_default="the bundled encoder")]
DataFolder = Annotated[Path, typer.Option(help="Folder with `train` and `eval`.")]


@app.command()
def train(
    target: Annotated[Path, typer.Argument(help="Folder to write the model to.")],
    data: DataFolder = DATA,
    dim: Annotated[int, typer.Option(min=8, help="Length of the vectors.")] = STANDARD.dim,
    vocabulary: Annotated[int, typer.Option(min=500, help="Word pieces.")] = STANDARD.vocabulary,
    seed: Annotated[int, typer.Option(help="Seed of the pairs, their order and the initial weights.")] = STANDARD.seed,
    teacher: Annotated[Path | None, typer.Option(help="A PhoBERT-shaped model to distil from.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of torch.")] = 2,
) -> None:
    """Train an encoder from public text and write it as a model folder. Its `train.log` records the steps."""
    torch.set_num_threads(threads)
    recipe = Recipe(dim=dim, vocabulary=vocabulary, merges=vocabulary + vocabulary // 32, seed=seed)
    target.mkdir(parents=True, exist_ok=True)
    with (target / "train.log").open("w", encoding="utf-8") as log, Progress(console=console) as progress:
        bar = progress.add_task("preparing", total=None)

        def note(line: str) -> None:
            progress.console.print(line, highlight=False)
            log.write(line + "\n")

        def report(step: int, steps: int, loss: float) -> None:
            progress.update(bar, completed=step, total=steps, description=f"training, loss {loss:.3f}")
            log.write(f"step {step}/{steps} loss {loss:.4f}\n")

        note(f"{recipe}")
        make(recipe, data, target, teacher=teacher, note=note, report=report)


@app.command()
def ship(
    model: Annotated[Path, typer.Argument(help="Folder that `train` wrote.")],
    dense: Annotated[float, typer.Option(min=0, max=1, help="Weight of the dense side, see `fusion`.")],
    target: Annotated[Path, typer.Option(help="Target folder.")] = BUNDLED,
) -> None:
    """Copy a trained model to the bundled encoder: its int8 graph, tokenizer and fusion weights."""
    bundle.ship(model, target, fusion=Fusion(dense=dense, lexical=round(1 - dense, 2)))


@app.command()
def diacritics(
    target: Annotated[Path, typer.Option(help="File to write.")] = MODEL_PATH, data: DataFolder = DATA
) -> None:
    """Count syllables in context and write the model that restores the diacritics of queries."""
    size_bytes = write_model(data, target)
    console.print(f"{target}: {size_bytes:,} bytes")


@app.command()
def quality(
    model: ModelFolder = BUNDLED,
    data: DataFolder = DATA,
    precision: Annotated[str | None, typer.Option(help="fp32 or int8.", show_default="the last one")] = None,
    distractors: Annotated[bool, typer.Option(help="Add 50,000 passages as distractors.")] = True,
    typing: Annotated[
        list[str] | None, typer.Option(help=f"Any of {', '.join(TYPED)}; may be repeated.", show_default="written")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Print nDCG@10 of dense, BM25 and hybrid search on every labelled set, and the paraphrase check."""
    typings = typing or ["written"]
    if unknown := set(typings) - TYPED.keys():
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: takes any of {', '.join(TYPED)}")
    encoder = Encoder(model, precision=precision)
    weights = encoder.pipeline.contract.fusion
    for source in (None, data / "train" / "wiki.jsonl.xz") if distractors else (None,):
        with console.status("searching"):
            rows = list(retrieval_table(encoder, data / "eval", weights, distractors=source, typings=typings))
        _print(rows, "own passages" if source is None else "with 50,000 distractors", as_json=as_json)
    ours, overlap = paraphrase_figures(encoder, data / "eval" / "sts_vnpara_binary.tsv.gz")
    if as_json:
        typer.echo(json.dumps({"paraphrase_auc": ours, "overlap_auc": overlap}))
    else:
        console.print(f"paraphrase AUC {ours:.3f}; overlap of words and syllables {overlap:.3f}")


@app.command()
def fusion(model: ModelFolder = BUNDLED, data: DataFolder = DATA) -> None:
    """Print nDCG@10 at each weight on vicov19qa's validation split and on held-out documents, and the chosen weight."""
    encoder = Encoder(model)
    hard, held_out = load_set(data / "eval", "vicov19qa", split="val"), load_held_out(data / "train")
    sources = [(find(encoder, each.queries, Corpus(encoder, each.passages)), each) for each in (hard, held_out)]
    trials, bm25 = try_fusion(*sources)
    chosen = choose_fusion(trials, bm25)
    console.print(f"BM25 alone on vicov19qa: {bm25:.4f}")
    for trial in trials:
        figures = f"dense {trial.dense:.2f}  vicov19qa {trial.hard:.4f}  held out {trial.held_out:.4f}"
        console.print(figures + ("  <- chosen" if trial.dense == chosen else ""))


@app.command()
def speed(model: ModelFolder = BUNDLED, data: DataFolder = DATA) -> None:
    """Print the questions/s of viquad_test that one core encodes through ONNX Runtime."""
    keep_to_one_core()
    questions = load_set(data / "eval", "viquad_test").queries
    for each in speeds(Encoder(model), questions):
        console.print(f"{each.name:28} {each.median:8,.0f} questions/s ({each.slowest:,.0f} to {each.fastest:,.0f})")


@app.command()
def agreement(model: ModelFolder = BUNDLED, data: DataFolder = DATA) -> None:
    """Print the differences between a model's precisions on every set, and between single texts and batches."""
    encoders = {each: Encoder(model, precision=each) for each in load_contract(model).precisions}
    questions = load_set(data / "eval", "viquad_test").queries
    for precision, encoder in encoders.items():
        console.print(f"{precision}: largest difference in a batch {largest_batch_difference(encoder, questions)}")
    for line in precisions_agree(encoders, data / "eval"):
        figures = "  ".join(f"{precision} {figure:.4f}" for precision, figure in line.figures.items())
        console.print(f"{line.name:16} dense nDCG@10  {figures}  apart {line.points:.2f} points")


def _print(rows: list[Row], title: str, *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            typer.echo(json.dumps({"corpus": title, **asdict(row)}))
        return
    table = Table("set", "queries", "passages", *MODES, title=f"nDCG@10 [95% interval], {title}")
    for row in rows:
        estimates = [row.figures[mode]["ndcg@10"] for mode in MODES]
        cells = [f"{each.mean:.3f} [{each.low:.3f}, {each.high:.3f}]" for each in estimates]
        table.add_row(row.name, f"{row.queries:,}", f"{row.passages:,}", *cells)
    means = [sum(row.figures[mode]["ndcg@10"].mean for row in rows) / len(rows) for mode in MODES]
    table.add_row("mean", "", "", *(f"{mean:.4f}" for mean in means))
    console.print(table)


if __name__ == "__main__":
    app()
