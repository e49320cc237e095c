UPDATE t SET a = -a WHERE a % 3 = 0;
UPDATE t SET id = id || 'x' WHERE a % 5 = 0;
DELETE FROM t WHERE a % 7 = 0;
UPDATE t SET id = substr(id, 900) WHERE a = 1;
