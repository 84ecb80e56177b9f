-- The rows of one raw file under the names and types of staging; `rowid` is unique over all files of the load.
SELECT file_row_number + {{ before }} AS rowid, {{ casts }}, _key_hash, _hashdiff
FROM read_parquet({{ file }}, file_row_number = TRUE)
