"""What people did in an app, also with no network: each applied once, in its order, and answered."""
