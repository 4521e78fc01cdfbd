"""A small fleet of openNDS routers with phones behind them, polling the product for real (protocols/opennds.md).

Not imitated: the re-admission of remembered clients after a restart (10.1+), the idle timer, ndsctl being busy, and what the 11 beta
does to minutes and quotas. A phone that leaves counts as idle at once. Times are the sandbox's, so a day can pass in a moment.
"""
