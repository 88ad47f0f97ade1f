"""Images with boxes and outlines of objects, for detection."""
