"""What a technician does about a ticket at its place: visits, checklists, parts, and the customer's word that it works."""
