"""What torchmetrics lacks: video prediction scored as OpenSTL does, and energies per frequency band.

`functional` holds the formulas; `video` and `spectrum` hold running sums of them over a test set.
"""
