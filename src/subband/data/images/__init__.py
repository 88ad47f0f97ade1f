"""Images without labels for generative networks: bundled ones, CIFAR-10, and folders of any pictures."""
