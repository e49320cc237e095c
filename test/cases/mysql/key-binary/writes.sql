INSERT INTO t (k, note) VALUES (X'0001', 'new'), (X'80', 'new');
UPDATE t SET note = 'changed' WHERE k = X'01' OR k = X'0100FF';
UPDATE t SET k = X'41', note = 'moved' WHERE k = X'00000000';
DELETE FROM t WHERE k = X'5C275C27';
DELETE FROM t WHERE k = X'FFFFFFFF';
INSERT INTO t (k, note) VALUES (X'FFFFFFFF', 'again');
