CREATE CLUSTERED COLUMNSTORE INDEX cci ON {{ target }}{{ on_filegroup }};
