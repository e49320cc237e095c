SET SESSION binlog_row_image = 'MINIMAL';
UPDATE t SET k = 'A' WHERE k = 'a';
UPDATE t SET k = 'É', n = 20 WHERE k = 'é';
UPDATE t SET n = 30 WHERE k = 'z';
UPDATE t SET k = 'z' WHERE k = 'Z';
DELETE FROM t WHERE k = 'ÿ';
INSERT INTO t (k) VALUES ('Ÿ');
UPDATE t SET k = '€€' WHERE k = '€';
