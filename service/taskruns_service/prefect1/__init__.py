"""All that exists for Prefect 1 alone: its GraphQL, what its engine writes, and the import of its database."""
