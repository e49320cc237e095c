CREATE TABLE t (a boolean, b boolean, v integer, PRIMARY KEY (b, a));
INSERT INTO t VALUES (true, true, 1), (true, false, 2), (false, true, 3);
