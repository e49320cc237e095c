CREATE SEQUENCE free START 1000;
CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('free'), a int);
INSERT INTO t SELECT n, n FROM generate_series(1, 200) AS n;
