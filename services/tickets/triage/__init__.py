"""Reading a ticket: category, priority, language and entities, each with how sure and why. No database, no network; docs/triage.md."""
