INSERT INTO t (k, note) VALUES (2000, 'new');
UPDATE t SET note = 'changed' WHERE k = 2155 OR k = 2024;
UPDATE t SET k = 1970, note = 'moved' WHERE k = 1901;
DELETE FROM t WHERE k = 1999;
DELETE FROM t WHERE k = 0000;
INSERT INTO t (k, note) VALUES (0000, 'again');
