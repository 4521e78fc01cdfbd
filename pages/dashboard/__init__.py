"""The console's first page: what is wrong first, then each part of the work that the person is there for."""
