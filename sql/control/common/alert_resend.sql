UPDATE etl.Alert_Log SET State = 'pending', DueUtc = :now WHERE State = 'refused' AND RouteName = :route_name;
