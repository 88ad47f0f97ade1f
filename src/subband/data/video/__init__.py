"""Clips for video prediction: generated data sets, readers of published ones, the user's own videos."""
