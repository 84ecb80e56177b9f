INSERT INTO etl.Alert_Route (RouteName, Failures, RestUntilUtc, SentUtc, LastError)
VALUES (:route_name, :failures, :rest_until, :sent, :error_message);
