"""One finder for each kind of thing that the console's search knows; services/console/search.py asks them in turn."""
