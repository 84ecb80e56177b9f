-- Takes the row, so that two watchers take turns: what the second then reads is what the first has written.
UPDATE etl.Alert_Cursor SET CursorText = CursorText WHERE CursorName = 'watch';
