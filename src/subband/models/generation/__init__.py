"""Generation of images from their wavelet coefficients: autoencoders with priors, their baseline, and diffusion."""
