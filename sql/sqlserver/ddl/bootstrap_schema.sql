-- CREATE SCHEMA must stand alone in its batch. Two processes may start at once: the second finds it there.
BEGIN TRY
    IF SCHEMA_ID({{ schema }}) IS NULL EXEC (N'CREATE SCHEMA {{ quoted_in_text }}');
END TRY
BEGIN CATCH
    IF XACT_STATE() <> 0 ROLLBACK TRANSACTION;
    IF SCHEMA_ID({{ schema }}) IS NULL THROW;
END CATCH;
