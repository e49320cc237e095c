CREATE TABLE t (id int PRIMARY KEY, u text);
INSERT INTO t SELECT n, 'Row ' || n FROM generate_series(1, 200) AS n;
CREATE UNIQUE INDEX lowered ON t (lower(u), (length(u)));
