"""Folders of videos such as people bring: ten classes that are not MotionShapes, and recordings of phones."""
