"""Pairs of clips for restoration: published layouts, any paired folders, and blur made from sharp material."""
