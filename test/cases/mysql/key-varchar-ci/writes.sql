INSERT INTO t (k, note) VALUES ('straße', 'new'), ('😀', 'new');
UPDATE t SET note = 'changed' WHERE k = 'B' OR k = 'ä1';
UPDATE t SET k = 'back\\slash', note = 'moved' WHERE k = 'a';
DELETE FROM t WHERE k = '';
DELETE FROM t WHERE k = 'Z';
INSERT INTO t (k, note) VALUES ('Z', 'again');
