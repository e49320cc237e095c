UPDATE t SET v = 'É' WHERE id = 1;
