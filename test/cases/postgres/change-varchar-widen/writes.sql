UPDATE t SET k = 'zzzz' WHERE k = 'k3';
UPDATE t SET a = '', b = NULL WHERE k = 'k4';
INSERT INTO t (k) VALUES ('');
DELETE FROM t WHERE k = 'k5';
