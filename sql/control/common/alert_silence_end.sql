UPDATE etl.Alert_Silence SET UntilUtc = :now WHERE Pattern = :pattern AND UntilUtc > :now;
