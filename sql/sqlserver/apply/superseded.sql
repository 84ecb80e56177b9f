    SET @superseded = @read;
