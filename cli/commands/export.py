"""`phoserve export`: a model from a folder or the hub, made ready for Triton."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.main import app
from phoserve.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from cli.progress import Reporter


class ExportTask(StrEnum):
    """What a model is exported for."""

    EMBED = "embed"
    RERANK = "rerank"


DEFAULT_SOURCE = "VoVanPhuc/sup-SimCSE-VietNamese-phobert-base"


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="A folder, or a model id on the Hugging Face hub.")] = DEFAULT_SOURCE,
    target: Annotated[Path | None, typer.Option("--to", help="Folder to make [default: models/NAME].")] = None,
    task: Annotated[ExportTask, typer.Option(help="What the model is for.")] = ExportTask.EMBED,
    revision: Annotated[str | None, typer.Option(help="A commit or tag on the hub.")] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Also the graphs for the gpu and tensorrt profiles.")] = False,
    name: Annotated[str | None, typer.Option(help="What the model is called [default: the source's name].")] = None,
    segment: Annotated[
        bool | None,
        typer.Option(help="Whether the model was trained on word-segmented text [default: with PhoBERT's tokenizer]."),
    ] = None,
    query_prefix: Annotated[str | None, typer.Option(help="Put before queries [default: the folder's prompt].")] = None,
    passage_prefix: Annotated[
        str | None, typer.Option(help="Put before passages [default: the folder's prompt].")
    ] = None,
    dims: Annotated[
        str | None, typer.Option(help="Shorter dimensions the model was trained for (Matryoshka), such as 128,256.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Cut texts earlier than the model requires.")] = None,
    labelled: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Queries and corpus, JSON lines: the gate on retrieval.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Export a model of sentence embeddings or a cross-encoder: contract, graphs that pass their gates, model card."""
    from cli.progress import ConsoleReporter, JsonReporter, Reporter

    if task is ExportTask.RERANK and labelled:
        raise InvalidInput("--labelled compares embeddings; leave it out with --task rerank")
    report: Reporter = JsonReporter() if as_json else ConsoleReporter()
    choices = {
        "gpu": gpu,
        "task": task.value,
        "name": name,
        "segmenter": None if segment is None else ("pyvi-0.1.1" if segment else "none"),
        "query_prefix": query_prefix,
        "passage_prefix": passage_prefix,
        "dims": _numbers(dims),
        "max_tokens": max_tokens,
    }
    _export(report, source, target, revision, choices, labelled=labelled)


def _export(
    report: "Reporter",
    name: str,
    target: Path | None,
    revision: str | None,
    choices: dict[str, Any],
    *,
    labelled: tuple[Path, Path] | None,
) -> None:
    try:
        from export.sources import find_source

        # Report a wrong name immediately; torch takes seconds to load.
        with report.step(f"Finding {name}"):
            source = find_source(name, revision)
        from export.model_card import parity_table
        from export.model_folder import ExportOptions, export_model
        from export.retrieval import load_labelled
    except ImportError as error:
        raise ConfigurationError(f"{error.name} is not installed: `pip install 'phoserve[export]'`") from None
    target = target or Path("models") / source.name.rsplit("/", 1)[-1]
    table = export_model(
        source,
        target,
        ExportOptions(**choices),
        labelled=load_labelled(*labelled) if labelled else None,
        say=lambda text: report.tell("step", text),
    )
    report.tell("table", parity_table(table))
    option = "--model" if choices["task"] == "embed" else "--reranker"
    report.tell("exported", f"{target} is ready: `phoserve up {option} {target}`", folder=str(target))


def _numbers(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise InvalidInput(f"--dims {text}: give whole numbers, separated by commas") from None
