UPDATE t SET k = 'a ' WHERE k = 'a';
UPDATE t SET k = 'b' WHERE k = 'b ';
UPDATE t SET k = '  ' WHERE k = '';
DELETE FROM t WHERE k = 'c';
INSERT INTO t VALUES ('c ', 40);
UPDATE t SET n = 50 WHERE k = 'd   ';
