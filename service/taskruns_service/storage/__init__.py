"""The database: connections, transactions, the writer, the tables and their migrations."""
