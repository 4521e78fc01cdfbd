"""The imitation of OpenWISP's REST API (protocols/openwisp.md, above all §8), and of an ISP's own gateway in its place.

Not imitated: writing by API, what devices themselves post, nearby devices, Wi-Fi sessions, floor plans, CSV.
"""
