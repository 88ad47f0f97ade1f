"""VD-Diff: video deblurring by a wavelet-aware dynamic transformer with a prior from a diffusion model."""
