"""Image generation: networks that draw images, and reconstruct those they are given."""
