"""The models by name, as data: a table imports no network, so that listing them costs nothing."""
