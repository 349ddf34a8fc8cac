"""The only place with SQL of our own: two stores and the one history that joins them.

`operational` (SQLite or PostgreSQL) holds everything that changes or must be exactly once, and the
hot rows of the last hours; `warehouse` (DuckDB) holds history and everything computed; `history`
shows both as one. What rows mean is decided in the rooms above.
"""
