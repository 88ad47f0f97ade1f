"""Images and video in and out of files."""
