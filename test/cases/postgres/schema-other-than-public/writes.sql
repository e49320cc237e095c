UPDATE t SET v = 'b' WHERE id = 3;
INSERT INTO t (v) VALUES ('b');
