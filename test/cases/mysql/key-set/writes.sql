INSERT INTO t (k, note) VALUES ('f', 'new');
UPDATE t SET note = 'changed' WHERE k = 'a' OR k = 'b,c';
UPDATE t SET k = 'a,f', note = 'moved' WHERE k = '';
DELETE FROM t WHERE k = 'c';
DELETE FROM t WHERE k = 'a,b,c,d''e';
INSERT INTO t (k, note) VALUES ('a,b,c,d''e', 'again');
