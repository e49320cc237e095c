DELETE FROM t WHERE id % 2 = 0;
UPDATE t SET id = id + 1;
