CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b text);
INSERT INTO t SELECT n * 10, n, 'row ' || n FROM generate_series(1, 1000) AS n;
CREATE TABLE other (id int PRIMARY KEY, a int);
INSERT INTO other SELECT n * 30, n FROM generate_series(1, 50) AS n;
