"""Tests of the learned priors: generator, denoising autoencoder, and their training."""
