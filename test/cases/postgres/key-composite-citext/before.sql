CREATE EXTENSION citext;
CREATE TABLE t (a citext, b integer, c citext, v integer, PRIMARY KEY (a, b, c));
INSERT INTO t SELECT (ARRAY['a', 'B', 'c', 'D'])[1 + n % 4], n % 5, (ARRAY['x', 'Y', 'z'])[1 + n % 3], n FROM generate_series(0, 59) AS n;
