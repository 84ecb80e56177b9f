SET allowed_paths = [{{ files }}];
SET enable_external_access = FALSE;
