"""WSF-ViT: image classification, and video prediction with its blocks."""
