-- After the history, so that an error takes back what was written by then. One statement.
CREATE TRIGGER orders_moody AFTER UPDATE ON orders FOR EACH ROW FOLLOWS orders_updated
BEGIN
    DECLARE mood double DEFAULT RAND();
    IF mood < 0.2 THEN
        SET @slept = SLEEP(RAND() * 0.3);
    ELSEIF mood < 0.4 THEN
        SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'a bad day';
    ELSEIF mood < 0.5 THEN
        SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'a bad day';
    ELSEIF mood < 0.55 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a bad day';
    END IF;
END
