SELECT CursorName, CursorText FROM etl.Alert_Cursor;
