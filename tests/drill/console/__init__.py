"""What open pages of the console cost: `python -m tests.drill.console`."""
