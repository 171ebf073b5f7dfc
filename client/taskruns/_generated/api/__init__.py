# Generated from openapi.json by `make client`. Do not edit.
"""One package per tag, one module per operation."""
