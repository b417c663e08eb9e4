"""Create a model of PhoBERT's shape with random weights: as fast as a trained one, for measurements without a hub.

    python -m loadtests.random_model FOLDER [--tokenizer ../shared/phobert] [--layers 12 --dim 768]

`phoserve export` and the peers accept the folder. The tokenizer is the bundled encoder's (32,000 pieces), or that
of another folder, for example PhoBERT's own. Texts have about as many tokens, and only the embeddings' memory differs.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Final

import torch
from transformers import RobertaConfig, RobertaModel

import export.bundled
from export.sources import TOKENIZER_FILES
from export.tokenizer_source import PHOBERT_SPECIALS as SPECIALS
from phoserve.contract import VOCAB_FILE

HEAD_DIM: Final = 64
TOKENIZER: Final = {
    "tokenizer_class": "PhobertTokenizer",
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "mask_token": "<mask>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "model_max_length": 256,
}


def write_random_model(folder: Path, tokenizer: Path, *, layers: int = 12, dim: int = 768, seed: int = 0) -> None:
    """Write weights, configuration and the tokenizer of `tokenizer` to `folder`."""
    folder.mkdir(parents=True)
    for name in TOKENIZER_FILES:
        shutil.copy(tokenizer / name, folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER, indent=1))
    pieces = len((folder / VOCAB_FILE).read_text(encoding="utf-8").splitlines())
    torch.manual_seed(seed)
    config = RobertaConfig(
        vocab_size=pieces + SPECIALS + 1,  # and <mask>
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=dim // HEAD_DIM,
        intermediate_size=4 * dim,
        max_position_embeddings=258,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        tokenizer_class="PhobertTokenizer",
    )
    RobertaModel(config).save_pretrained(folder)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokenizer", type=Path, default=Path(export.bundled.__path__[0]))
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    write_random_model(given.folder, given.tokenizer, layers=given.layers, dim=given.dim, seed=given.seed)
    sys.stdout.write(f"{given.folder} is ready: `phoserve export {given.folder} --to models/random`\n")


if __name__ == "__main__":
    main()
