"""The imitation of PortaBilling's admin interface, SOAP and JSON over one store (protocols/portabilling.md §7, §8).

Fault codes that the dossier calls placeholders, and so does this sandbox: `Server.Account.duplicate_id`,
`Client.Account.<method>.invalid_value`; invented here: `Server.Account.terminated`, `Client.unknown_method`.
"""
