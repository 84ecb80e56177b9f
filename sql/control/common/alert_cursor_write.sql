UPDATE etl.Alert_Cursor SET CursorText = :cursor_text WHERE CursorName = :cursor_name;
