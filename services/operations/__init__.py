"""Running INET: jobs, processes, errors, health, back-ups and clean-up, as rows that outlive Redis and every process."""
