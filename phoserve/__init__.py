"""Vietnamese embeddings and retrieval: text in, vectors and cited answers out."""
