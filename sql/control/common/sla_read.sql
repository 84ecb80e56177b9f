SELECT TableName, Priority, SlaHours FROM etl.Table_SLA;
