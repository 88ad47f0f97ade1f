"""Detectors: boxes, and masks, of objects in images, on the stages of any backbone."""
