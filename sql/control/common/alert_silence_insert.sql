INSERT INTO etl.Alert_Silence (Pattern, UntilUtc, CreatedBy, CreatedUtc) VALUES (:pattern, :expires, :acked_by, :now);
