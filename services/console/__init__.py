"""What makes the console one thing: lists, search, stories and dashboards over all contexts."""
