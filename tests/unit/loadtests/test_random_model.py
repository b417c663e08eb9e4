"""A model with random weights is one that can be exported."""

from pathlib import Path

from cli.commands.up import BUNDLED_MODEL
from export.checkpoint import load_checkpoint
from loadtests.random_model import write_random_model


def test_it_is_a_checkpoint_with_the_tokenizer_given(tmp_path: Path) -> None:
    write_random_model(tmp_path / "new" / "model", BUNDLED_MODEL, layers=1, dim=64)
    checkpoint = load_checkpoint(tmp_path / "new" / "model")
    assert (checkpoint.shape.layers, checkpoint.shape.dim, checkpoint.shape.heads) == (1, 64, 1)
    assert (checkpoint.shape.pooling, checkpoint.max_tokens) == ("mean", 256)
