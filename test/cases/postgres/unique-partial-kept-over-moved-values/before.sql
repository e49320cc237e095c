CREATE TABLE t (id int PRIMARY KEY, u int, is_live boolean NOT NULL);
INSERT INTO t SELECT n, n % 100, n <= 100 FROM generate_series(1, 200) AS n;
CREATE UNIQUE INDEX live ON t (u) WHERE is_live;
