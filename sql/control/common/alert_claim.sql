-- One statement: of two drainers one takes a message, the other none. A lease that ran out belongs to a process that is gone.
UPDATE etl.Alert_Log
SET LeaseOwner = :owner, LeaseUtc = :expires, Attempts = Attempts + 1
WHERE RouteName = :route_name AND State = 'pending' AND DueUtc <= :now AND (LeaseUtc IS NULL OR LeaseUtc <= :now);
