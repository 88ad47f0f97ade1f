"""WaST and its blocks."""
