CREATE TABLE t (id int PRIMARY KEY, a int, g int GENERATED ALWAYS AS (a * 2) STORED);
INSERT INTO t (id, a) SELECT n, n FROM generate_series(1, 200) AS n;
CREATE INDEX ON t (g);
