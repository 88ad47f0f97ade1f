"""Published weights that the models of this package load: where they lie, on what terms, and how they come here.

The table is data, `subband/weights/catalogue.json`; nothing of others is hosted or shipped. Nothing is downloaded
unless it is asked for. Nothing here needs torch.
"""
