"""Image classification: which class an image shows."""
