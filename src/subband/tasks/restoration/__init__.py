"""Restoration: sharp video from degraded video."""
