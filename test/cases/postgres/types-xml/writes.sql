UPDATE t SET x = NULL WHERE id = 1;
UPDATE t SET x = '<b/>', id = 6 WHERE id = 4;
