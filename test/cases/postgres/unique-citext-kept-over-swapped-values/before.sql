CREATE EXTENSION citext;
CREATE TABLE t (id integer PRIMARY KEY, a citext UNIQUE, v integer);
INSERT INTO t SELECT n, 'Name' || n, n FROM generate_series(1, 40) AS n;
