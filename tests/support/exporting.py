"""Export a model with a parity check over few texts."""

from pathlib import Path
from unittest.mock import patch

from export import model_folder
from export.parity import parity_texts
from export.sources import Source

TEXTS = 24


def export_quickly(source: Source, target: Path, options: model_folder.ExportOptions | None = None) -> None:
    """Write the model folder of `source` to `target`."""
    with patch.object(model_folder, "parity_texts", lambda: parity_texts(TEXTS)):
        model_folder.export_model(source, target, options)
