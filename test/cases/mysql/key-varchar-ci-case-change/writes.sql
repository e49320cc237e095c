INSERT INTO t (k, note) VALUES ('new', 'new');
UPDATE t SET note = 'changed' WHERE k = 'Beta' OR k = 'gamma';
UPDATE t SET k = 'ALPHA', note = 'moved' WHERE k = 'alpha';
DELETE FROM t WHERE k = 'zeta';
DELETE FROM t WHERE k = 'delta';
INSERT INTO t (k, note) VALUES ('delta', 'again');
