"""The product as a cluster on one machine: each part in a network namespace of its own, stopped, killed and cut off in turn."""
