"""What a network has learned, looked at directly: filters, activations, patches, embeddings."""
