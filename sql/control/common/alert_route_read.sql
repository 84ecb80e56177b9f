SELECT RouteName, Failures, RestUntilUtc, SentUtc, LastError FROM etl.Alert_Route ORDER BY RouteName;
