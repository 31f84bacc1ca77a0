"""What each file of a data set is, found out once: its lists, its files, their frames."""
