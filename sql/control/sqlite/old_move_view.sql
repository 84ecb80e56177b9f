-- SQLite has one schema a file: the view's text is lost, its tables stay.
DROP VIEW {schema}.{object};
