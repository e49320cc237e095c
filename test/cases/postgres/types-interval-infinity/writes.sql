UPDATE t SET i = 'infinity' WHERE id = 3;
UPDATE t SET i = '-infinity', id = 4 WHERE id = 1;
