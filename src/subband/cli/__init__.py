"""The `subband` command; one file a subcommand."""
