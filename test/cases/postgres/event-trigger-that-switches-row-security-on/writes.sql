INSERT INTO t VALUES (51, 'new');
UPDATE t SET v = 'changed' WHERE id = 7;
