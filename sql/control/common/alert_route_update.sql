UPDATE etl.Alert_Route
SET Failures = :failures, RestUntilUtc = :rest_until, SentUtc = COALESCE(:sent, SentUtc), LastError = :error_message
WHERE RouteName = :route_name;
