"""What a user calls: a network with its pre- and postprocessing."""
