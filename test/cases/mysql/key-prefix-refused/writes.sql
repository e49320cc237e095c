INSERT INTO t (k, note) VALUES ('f', 'new');
UPDATE t SET note = 'changed' WHERE k = 'b' OR k = 'c';
UPDATE t SET k = 'g', note = 'moved' WHERE k = 'a';
DELETE FROM t WHERE k = 'e';
DELETE FROM t WHERE k = 'd';
INSERT INTO t (k, note) VALUES ('d', 'again');
