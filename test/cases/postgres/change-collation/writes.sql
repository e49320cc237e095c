UPDATE t SET c = lower(c) WHERE id < 10;
UPDATE t SET a = 'z' WHERE id = 3;
INSERT INTO t VALUES (27, 'Z', 'Z', 'ÄZ');
