"""A typical first version: FastAPI, pyvi and sentence-transformers, everything inside the endpoint.

PYTHON seed_server.py MODEL_FOLDER PORT pyvi|none; the script runs in the peers' environment and imports nothing of this
project.
"""

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from pyvi import ViTokenizer
from sentence_transformers import SentenceTransformer

app = FastAPI()
model = SentenceTransformer(sys.argv[1], device="cpu")
model.max_seq_length = 256


class EmbeddingsRequest(BaseModel):
    """The supported part of OpenAI's request."""

    input: list[str]


@app.get("/health")
def health() -> dict[str, str]:
    """Report that the server is running."""
    return {"status": "ok"}


@app.post("/v1/embeddings")
def embed(request: EmbeddingsRequest) -> dict[str, list[dict[str, list[float]]]]:
    """Segment and encode. FastAPI runs the endpoint on a thread of its pool."""
    texts = [ViTokenizer.tokenize(text) for text in request.input] if sys.argv[3] == "pyvi" else request.input
    vectors = model.encode(texts, normalize_embeddings=True)
    return {"data": [{"embedding": vector.tolist()} for vector in vectors]}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
