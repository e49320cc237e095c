INSERT INTO t VALUES (4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4);
UPDATE t SET `tick``tick` = 9, `?` = 8 WHERE `primary key` = 1;
UPDATE t SET `primary key` = 7 WHERE `primary key` = 2;
