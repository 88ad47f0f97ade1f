"""What the networks of one task share, so that tools work with all of them."""
