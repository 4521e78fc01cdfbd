"""Vouchers on paper: sheets of cards as PDF, and lists of codes as CSV. Codes are opened in `desk`, and nowhere else of this package."""
