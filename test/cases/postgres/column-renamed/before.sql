CREATE TABLE t (id integer PRIMARY KEY, "a b" text, c integer, CHECK (c > 0));
CREATE INDEX t_c ON t (c, lower("a b"));
INSERT INTO t SELECT n, 'x', n FROM generate_series(1, 20) AS n;
