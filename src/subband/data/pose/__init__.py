"""People: crops around them, heatmaps of their joints."""
