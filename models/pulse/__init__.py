"""Search of a bank's latent space for pictures that explain the observed pixels (PULSE, Menon et al., CVPR 2020)."""
