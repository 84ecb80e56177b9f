DELETE FROM etl.Metrics WHERE LogTs < :before;
