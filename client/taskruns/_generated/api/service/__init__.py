# Generated from openapi.json by `make client`. Do not edit.
"""The operations of one tag: `get_health`, `get_readiness`, `get_openapi`, `get_documentation`, `search_runs`."""
