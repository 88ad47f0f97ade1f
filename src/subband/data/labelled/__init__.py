"""Labelled images for classification: folders, published data sets, preprocessing and augmentation."""
