UPDATE t SET v = 'A' WHERE id = 1;
