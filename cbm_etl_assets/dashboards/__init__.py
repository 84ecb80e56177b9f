"""The three pages people look at: operations, trends, data quality; served, or written as one file.

Owns reading the control database for display, the figures, the pages and the server. Reads nothing else: a dashboard that
opened the DuckDB file would make the loads fail (one process at a time may hold it).
"""
