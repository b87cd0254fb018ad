"""From a name to a component: what plugins offer, what `registry.toml` says, and how third-party parts are isolated.

Discovery finds plugins, the manager asks them, the registry resolves names and
parameters, validation and isolation guard what they do, scaffold writes new packages.
Only `defaults` names components; no other module of kce does.
"""
