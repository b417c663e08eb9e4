"""`phoserve tokenize`: the encoder's tokens for each line of standard input."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

import export.bundled
from cli.main import app
from phoserve.contract import InputType
from phoserve.errors import InvalidInput

if TYPE_CHECKING:
    from phoserve.text import TextPipeline

BUNDLED: Final = Path(export.bundled.__path__[0])
_BLOCK_BYTES: Final = 1 << 18


class TokenizedLine(msgspec.Struct):
    """One line of the output."""

    segmented: str
    ids: list[int]
    truncated: bool


@app.command()
def tokenize(
    model: Annotated[
        Path, typer.Option(help="Folder of an exported model.", show_default="the bundled encoder")
    ] = BUNDLED,
    input_type: Annotated[InputType, typer.Option(help="The prefix of the lines.")] = InputType.PASSAGE,
) -> None:
    """Segment and tokenize lines from standard input; write a JSON object per line: segmented, ids, truncated."""
    from phoserve.text import TextPipeline

    pipeline = TextPipeline.load(model)
    number = 0
    for lines in _lines():
        texts = [_decode(line, number + k) for k, line in enumerate(lines, start=1)]
        number += len(lines)
        for tokenized in _tokenize(pipeline, texts, input_type):
            sys.stdout.buffer.write(msgspec.json.encode(tokenized) + b"\n")
        sys.stdout.buffer.flush()


def _tokenize(pipeline: "TextPipeline", texts: list[str], input_type: InputType) -> Iterator[TokenizedLine]:
    batch = pipeline.encode(texts, input_type)
    bounds = batch.offsets.tolist()
    segmented = pipeline.segment([pipeline.contract.prefix(input_type) + text for text in texts])
    for k, words in enumerate(segmented):
        yield TokenizedLine(words, batch.ids[bounds[k] : bounds[k + 1]].tolist(), bool(batch.truncated[k]))


def _lines() -> Iterator[list[bytes]]:
    """Yield lines as soon as they are read: one at a time from a terminal, in blocks from a file."""
    rest = b""
    while block := sys.stdin.buffer.read1(_BLOCK_BYTES):  # type: ignore[union-attr]
        *lines, rest = (rest + block).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]


def _decode(line: bytes, number: int) -> str:
    try:
        return line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"line {number} is not UTF-8 ({error.reason} at byte {error.start}); convert it first"
        ) from error
