INSERT INTO t (k, note) VALUES (X'000000', 'new'), (X'5C', 'new');
UPDATE t SET note = 'changed' WHERE k = X'00' OR k = X'0000';
UPDATE t SET k = X'41', note = 'moved' WHERE k = X'';
DELETE FROM t WHERE k = X'20';
DELETE FROM t WHERE k = X'FF00';
INSERT INTO t (k, note) VALUES (X'FF00', 'again');
