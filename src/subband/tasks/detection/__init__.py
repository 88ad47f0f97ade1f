"""Detection: where in an image are which objects, and which pixels are theirs."""
