INSERT INTO t (k, note) VALUES ('b', 'new'), ('k,l', 'new');
UPDATE t SET note = 'changed' WHERE k = 'a' OR k = 'm';
UPDATE t SET k = 'it''s', note = 'moved' WHERE k = 'z';
DELETE FROM t WHERE k = 'c';
DELETE FROM t WHERE k = 'q';
INSERT INTO t (k, note) VALUES ('q', 'again');
