"""Rows on their way from the source's form to the ODS-bound form: extents, cleaning, types, masks, hashes.

Stands below `source` and `pipeline` because both run it: the reader child hashes while it fetches, staging rebuilds
the same columns from raw Parquet. Knows nothing of ODBC, files or warehouses.
"""
