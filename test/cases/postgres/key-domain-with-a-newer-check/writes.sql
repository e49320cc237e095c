UPDATE t SET v = 20 WHERE k = 'bad';
UPDATE t SET k = 'f' WHERE k = 'c';
