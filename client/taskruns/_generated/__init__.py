# Generated from openapi.json by `make client`. Do not edit.
"""The generated half of the client: what goes over HTTP, and how each operation is asked."""
