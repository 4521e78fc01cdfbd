"""Photos that phones send to tickets in pieces, over links that break: held once, whole, and stripped of what is private."""
