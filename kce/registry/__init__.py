"""From a name to a component: what plugins offer, and what ``registry.toml`` says about it.

Discovery finds plugins, the manager imports and asks them, the registry resolves names and parameters, `defaults` names
what KCE uses itself. Validation and isolation guard third-party code, provenance knows where packages came from, and
scaffold writes new ones. No dataset is named in here.
"""
