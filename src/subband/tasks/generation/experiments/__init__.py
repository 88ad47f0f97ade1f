"""Experiments of image generation: networks under settings that differ in one thing, and what came out."""
