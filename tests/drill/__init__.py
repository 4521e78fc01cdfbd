"""The fault drill: many purchases through the running product while everything around them breaks, then three ledgers compared."""
