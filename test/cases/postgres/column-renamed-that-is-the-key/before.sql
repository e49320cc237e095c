CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, c integer);
INSERT INTO t (c) SELECT n FROM generate_series(1, 20) AS n;
