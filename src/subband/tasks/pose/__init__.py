"""Pose: where the joints of people are, in images and in videos."""
