"""Pictures from features: a generator and a denoising autoencoder that are learned from pictures."""
