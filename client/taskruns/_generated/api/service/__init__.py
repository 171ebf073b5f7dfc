# Generated from openapi.json by `make client`. Do not edit.
"""The operations of one tag: `get_documentation`, `get_health`, `get_openapi`, `get_readiness`."""
