"""Images of runs: plots, frame strips, animations and the self-contained HTML report (needs the `visual` extra)."""
