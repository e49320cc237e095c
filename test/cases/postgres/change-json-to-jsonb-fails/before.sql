CREATE TABLE t (id integer PRIMARY KEY, j json);
INSERT INTO t VALUES (1, '{}'), (2, '"\u0000"'), (3, NULL);
