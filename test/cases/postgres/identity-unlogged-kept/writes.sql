INSERT INTO t (v) VALUES ('new');
