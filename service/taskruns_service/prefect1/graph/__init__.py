"""What GraphQL reads: entities, their fields and relations, and the statements for nested selections of them."""
