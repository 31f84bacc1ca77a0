"""Long videos in which the class shows in parts only: where to look next, and when to stop."""
