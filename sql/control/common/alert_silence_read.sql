SELECT SilenceId, Pattern, UntilUtc, CreatedBy, CreatedUtc FROM etl.Alert_Silence WHERE UntilUtc > :now ORDER BY SilenceId;
